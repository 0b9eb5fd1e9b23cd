import { openFindingsOf } from "../catalog/findings.ts";
import { listInstances } from "../catalog/instances.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { lastVerifiedAt } from "../catalog/verifications.ts";
import { HoldfastError } from "../lib/errors.ts";
import { closestName } from "../lib/schema-faults.ts";
import type { InstanceSummary } from "../model/api/instances.ts";
import type { Backup, Coverage, CoverageGap } from "../model/backup.ts";
import { wholeChains } from "../model/chain.ts";
import { coverage } from "../model/coverage.ts";
import { type Damage, isDamagedBackup, isDamagedSegment } from "../model/damage.ts";
import type { Instance } from "../model/instance.ts";
import type { LogSegment } from "../model/manifest.ts";
import { comparePositions } from "../model/position.ts";
import { knownDamageOf } from "./damage.ts";
import { backupsOfInstance, logOfInstance } from "./plan-restore.ts";

/** By exact name or id; NOT_FOUND names the closest ones that exist. */
export async function requireInstance(db: CatalogDb, nameOrId: string): Promise<Instance> {
  const instances = await listInstances(db);
  const found = instances.find((instance) => instance.name === nameOrId || instance.id === nameOrId);
  if (found !== undefined) return found;
  const names = instances.map((instance) => instance.name);
  const closest = closestName(nameOrId, names);
  const advice = names.length === 0 ? "none is configured yet" : closest === null ? `there are ${listed(names)}` : `did you mean ${closest}?`;
  throw new HoldfastError("NOT_FOUND", `There is no instance ${JSON.stringify(nameOrId)}; ${advice}`.replace(/[^.?]$/, "$&."), { hint: "See `holdfast instance list`." });
}

const LISTED = 8;

function listed(names: readonly string[]): string {
  const more = names.length > LISTED ? ` and ${String(names.length - LISTED)} more` : "";
  return `${names.slice(0, LISTED).join(", ")}${more}`;
}

/** An instance with how well it is protected. */
export async function summarize(db: CatalogDb, instance: Instance): Promise<InstanceSummary> {
  const backups = await backupsOfInstance(db, instance.id);
  const segments = (await logOfInstance(db, instance.id)).map((ref) => ref.segment);
  const damage = await knownDamageOf(db);
  const taken = backups.filter((backup) => backup.resealedFrom === undefined);
  const subjects = [`instance:${instance.id}`, ...backups.map((backup) => `backup:${backup.backupId}`)];
  return {
    ...instance,
    lastFullAt: taken.find((backup) => backup.kind === "full")?.committedAt ?? null,
    lastBackupAt: taken[0]?.committedAt ?? null,
    lastVerifiedAt: await lastVerifiedAt(db, instance.id),
    ...reach(instance.id, backups.filter((backup) => !isDamagedBackup(damage, backup)), segments.filter((segment) => !isDamagedSegment(damage, segment))),
    backupCount: backups.length,
    openFindings: await countFindings(db, subjects),
  };
}

/** Statements take a bounded number of values. */
const SUBJECTS_AT_ONCE = 500;

async function countFindings(db: CatalogDb, subjects: readonly string[]): Promise<number> {
  let count = 0;
  for (let at = 0; at < subjects.length; at += SUBJECTS_AT_ONCE) count += (await openFindingsOf(db, subjects.slice(at, at + SUBJECTS_AT_ONCE))).length;
  return count;
}

/** Oldest and newest instant that a restore reaches: from the end of the first whole backup to the last log that joins one. */
export function reach(instanceId: string, backups: readonly Backup[], segments: readonly LogSegment[]): Pick<InstanceSummary, "reachableFrom" | "reachableTo"> {
  const usable = wholeChains(backups).map(({ tip }) => tip);
  const ends = usable.map((backup) => backup.endedAt).sort();
  const entered = coverage(instanceId, usable, segments).intervals.filter((interval) => interval.backupIds.length > 0);
  const arrivals = entered.flatMap((interval) => [interval.toTime ?? "", arrivalOf(interval, segments)]);
  const newest = [...ends, ...arrivals].sort().at(-1) ?? null;
  return { reachableFrom: ends[0] ?? null, reachableTo: newest === "" ? null : newest };
}

/** When the server had received the end of an interval: a server at rest is covered although it wrote nothing. */
function arrivalOf(interval: Coverage["intervals"][number], segments: readonly LogSegment[]): string {
  const { timeline, to } = interval;
  const last = segments.find((segment) => segment.timeline === timeline && segment.file === to.file && segment.endPosition === to.position);
  return last?.arrivals.at(-1)?.at ?? "";
}

export async function summarizeAll(db: CatalogDb, page: { after?: string | undefined; limit?: number } = {}): Promise<InstanceSummary[]> {
  const summaries: InstanceSummary[] = [];
  for (const instance of await listInstances(db, page)) summaries.push(await summarize(db, instance));
  return summaries;
}

/** Which instants of an instance can be reached, and where the holes are. What is known to be damaged reaches nothing. */
export async function soundCoverageOf(db: CatalogDb, instanceId: string): Promise<Coverage> {
  const damage = await knownDamageOf(db);
  const stored = (await logOfInstance(db, instanceId)).map((ref) => ref.segment);
  const sound = stored.filter((segment) => !isDamagedSegment(damage, segment));
  const backups = (await backupsOfInstance(db, instanceId)).filter((backup) => !isDamagedBackup(damage, backup));
  const usable = wholeChains(backups).map(({ tip }) => tip);
  const { gaps, ...rest } = coverage(instanceId, usable, sound);
  return { ...rest, gaps: gaps.map((gap) => ({ ...gap, message: [gap.message, ...damageInGap(gap, stored, damage)].join(" ") })) };
}

/** A hole may be one because what was stored there is damaged. */
function damageInGap(gap: CoverageGap, stored: readonly LogSegment[], damage: Damage): string[] {
  return stored
    .filter(({ timeline, file, startPosition, endPosition }) => {
      const isBehind = comparePositions({ file, position: endPosition }, gap.after) > 0;
      return timeline === gap.timeline && isBehind && (gap.before === null || comparePositions({ file, position: startPosition }, gap.before) < 0);
    })
    .flatMap(({ segmentId }) => damage.get(`segment:${segmentId}`) ?? []);
}

/** The same by the catalog alone, whatever was found of what is stored. */
export async function coverageOf(db: CatalogDb, instanceId: string): Promise<Coverage> {
  const segments = (await logOfInstance(db, instanceId)).map((ref) => ref.segment);
  const usable = wholeChains(await backupsOfInstance(db, instanceId)).map(({ tip }) => tip);
  return coverage(instanceId, usable, segments);
}
