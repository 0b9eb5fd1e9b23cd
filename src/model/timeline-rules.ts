import type { BackupFacts } from "./manifest.ts";
import { comparePositions } from "./position.ts";

/** What is known of a timeline when a full backup arrives. */
export interface KnownTimeline {
  readonly dataIdentity: string | null;
  /** Facts of the newest backup on it; null when it has none. */
  readonly newestFacts: Pick<BackupFacts, "logPosition"> | null;
}

const baseName = (file: string): string => file.replace(/\.\d+$/, "");

/**
 * Whether a backup with these facts continues the lineage: the same data, and a log that has not begun anew. File and
 * position join only inside one timeline, so a server that was replaced, or whose log was reset, starts another one.
 */
export function continuesTimeline(timeline: KnownTimeline, facts: Pick<BackupFacts, "dataIdentity" | "logPosition">): boolean {
  if (timeline.dataIdentity !== null && timeline.dataIdentity !== facts.dataIdentity) return false;
  const before = timeline.newestFacts?.logPosition ?? null;
  if (before === null || facts.logPosition === null) return true;
  if (baseName(before.file) !== baseName(facts.logPosition.file)) return false;
  return comparePositions(before, facts.logPosition) <= 0;
}
