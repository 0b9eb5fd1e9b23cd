import type { AttemptRow } from "../catalog/attempts.ts";
import { getBackup, newestBackup } from "../catalog/backups.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { setTimelineIdentity } from "../catalog/timelines.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { BackupOrder } from "../model/job.ts";
import type { BackupFacts, Manifest } from "../model/manifest.ts";
import { continuesTimeline } from "../model/timeline-rules.ts";
import type { ControlPorts } from "./ports.ts";
import { beginTimeline, openTimeline } from "./timelines.ts";

type Ports = Pick<ControlPorts, "clock" | "newId">;
type Lineage = Pick<Manifest, "parentId" | "chainId" | "timeline">;

/**
 * Where a finished backup belongs: its parent, chain and timeline. CHAIN_BROKEN when an incremental does not begin
 * where its parent ends, LINEAGE_CHANGED when it is of other data. A full of other data, or after the log began anew,
 * starts a timeline.
 */
export async function decideLineage(
  ports: Ports,
  db: CatalogDb,
  backup: { instanceId: string; attempt: Pick<AttemptRow, "id">; work: Pick<BackupOrder, "backupKind" | "parent">; facts: BackupFacts },
): Promise<Lineage> {
  const { instanceId, attempt, work, facts } = backup;
  if (work.backupKind === "incremental") return lineageOfIncremental(db, backup);
  const known = await openTimeline(ports, db, instanceId);
  const newest = await newestBackup(db, instanceId, { timeline: known.id });
  const goesOn = continuesTimeline({ dataIdentity: known.dataIdentity, newestFacts: newest?.facts ?? null }, facts);
  const timeline = goesOn ? known : await beginTimeline(ports, db, instanceId);
  await setTimelineIdentity(db, timeline.id, facts.dataIdentity);
  return { parentId: null, chainId: attempt.id, timeline: timeline.id };
}

async function lineageOfIncremental(db: CatalogDb, backup: { attempt: Pick<AttemptRow, "id">; work: Pick<BackupOrder, "parent">; facts: BackupFacts }): Promise<Lineage> {
  const { attempt, work, facts } = backup;
  const parentId = work.parent?.backupId ?? "";
  const parent = await getBackup(db, parentId);
  if (parent === null) throw new HoldfastError("CHAIN_BROKEN", `The incremental ${attempt.id} builds on backup ${parentId}, which is not committed.`);
  if (parent.facts.dataIdentity !== facts.dataIdentity) {
    throw new HoldfastError("LINEAGE_CHANGED", `The incremental ${attempt.id} is of the data ${facts.dataIdentity}; its parent ${parentId} is of ${parent.facts.dataIdentity}.`);
  }
  if (BigInt(parent.facts.toLsn) !== BigInt(facts.fromLsn)) {
    throw new HoldfastError("CHAIN_BROKEN", `The incremental ${attempt.id} begins at LSN ${facts.fromLsn}; its parent ${parentId} ends at ${parent.facts.toLsn}.`);
  }
  return { parentId, chainId: parent.chainId, timeline: parent.timeline };
}
