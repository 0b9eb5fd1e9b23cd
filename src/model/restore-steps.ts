import { formatBytes } from "../lib/units.ts";
import type { BackupRef, SegmentRef } from "./backup.ts";
import { expectedPhaseMs, type MeasuredRun } from "./expected-time.ts";
import { formatPosition, type LogPosition } from "./position.ts";
import type { PlanStep, StopPoint } from "./restore.ts";

export interface PlannedWay {
  readonly instanceId: string;
  readonly chain: readonly BackupRef[];
  readonly segments: readonly SegmentRef[];
  readonly start: LogPosition | null;
  readonly stop: StopPoint | null;
}

/**
 * The steps of a restore under the names by which its phases are measured, each with the bytes it works through and the
 * time that measured history lets expect.
 */
export function restoreSteps(way: PlannedWay, history: readonly MeasuredRun[]): PlanStep[] {
  const step = (name: string, description: string, bytes: number): PlanStep => ({
    name,
    description,
    bytes,
    expectedMs: expectedPhaseMs(history, way.instanceId, { name, bytes }),
  });
  const streamBytes = way.chain.reduce((sum, backup) => sum + backup.streamBytes, 0);
  const fetches = way.chain.map((backup) =>
    step("fetch", `fetch, decrypt and unpack ${backup.kind} ${backup.backupId} (${formatBytes(storedBytesOf(backup))} stored)`, backup.streamBytes),
  );
  const incrementals = way.chain.length - 1;
  const prepare = step("prepare", incrementals === 0 ? "prepare the full" : `prepare the full and ${plural(incrementals, "incremental")}`, streamBytes);
  return [...fetches, prepare, ...replaySteps(way, step)];
}

function replaySteps({ segments, start, stop }: PlannedWay, step: (name: string, description: string, bytes: number) => PlanStep): PlanStep[] {
  if (start === null || stop === null) return [];
  const logBytes = segments.reduce((sum, { segment }) => sum + segment.endPosition - segment.startPosition, 0);
  return [
    step("start", "start a server without network on the data", 0),
    step("logs", `fetch and decrypt ${plural(segments.length, "piece")} of log`, logBytes),
    step("replay", `replay the log from ${formatPosition(start)} to ${formatPosition(stop)}`, logBytes),
  ];
}

const plural = (count: number, noun: string): string => `${String(count)} ${noun}${count === 1 ? "" : "s"}`;

function storedBytesOf(backup: BackupRef): number {
  return backup.packs.reduce((sum, pack) => sum + pack.sizeBytes, backup.index.sizeBytes);
}

/** Stored bytes that a restore reads. */
export function bytesToFetch({ chain, segments }: Pick<PlannedWay, "chain" | "segments">): number {
  return chain.reduce((sum, backup) => sum + storedBytesOf(backup), 0) + segments.reduce((sum, { segment }) => sum + segment.object.sizeBytes, 0);
}
