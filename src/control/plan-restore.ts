import { z } from "zod";
import { findBackup, getBackupRef, listBackups } from "../catalog/backups.ts";
import { listJobs } from "../catalog/jobs.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { piecesFrom } from "../catalog/segments.ts";
import { listTimelines } from "../catalog/timelines.ts";
import { passedReportsOfInstance } from "../catalog/verifications.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Backup, BackupRef, SegmentRef } from "../model/backup.ts";
import { type Damage, isDamagedSegment } from "../model/damage.ts";
import { type MeasuredRun, sumExpectedMs } from "../model/expected-time.ts";
import type { Instance } from "../model/instance.ts";
import type { LogGroupIndex } from "../model/log-groups.ts";
import type { LogSegment } from "../model/manifest.ts";
import { logFileNumber, type LogPosition } from "../model/position.ts";
import { type LogWay, logWay } from "../model/restore-plan.ts";
import { bytesToFetch, restoreSteps } from "../model/restore-steps.ts";
import type { RestoreGoal, RestorePlan, StopPoint } from "../model/restore.ts";
import { chooseSoundRestore } from "../model/sound-restore.ts";
import { phaseSchema } from "../model/verification.ts";
import { knownDamageOf } from "./damage.ts";

/** Opens the encrypted list of groups of a piece of log with the server's own metadata key. */
export type OpenLogIndex = (ref: SegmentRef) => Promise<LogGroupIndex>;

export interface PlanRequest {
  readonly instance: Instance;
  readonly goal: RestoreGoal;
  readonly allowGap: boolean;
  readonly nowMs: number;
}

/** More than any instance keeps; a plan looks at all of them. */
const ALL_BACKUPS = 100_000;
/** Measured runs that a forecast looks at. */
const HISTORY_RUNS = 20;

export function backupsOfInstance(db: CatalogDb, instanceId: string): Promise<Backup[]> {
  return listBackups(db, { instanceId, limit: ALL_BACKUPS });
}

/** Every stored piece of log of an instance, over all its timelines. */
export async function logOfInstance(db: CatalogDb, instanceId: string): Promise<SegmentRef[]> {
  const pieces: SegmentRef[] = [];
  for (const { id } of await listTimelines(db, instanceId)) pieces.push(...(await piecesFrom(db, { instanceId, timeline: id, fromFile: 0 })));
  return pieces;
}

/**
 * What a restore would do: resolves the goal to a place in the log, picks chain and log, and tells bytes and expected
 * time. Changes nothing. Errors are those of `chooseSoundRestore`.
 */
export async function planRestore(db: CatalogDb, openLogIndex: OpenLogIndex, request: PlanRequest): Promise<RestorePlan> {
  const { instance, goal, allowGap, nowMs } = request;
  const refs = new Map((await logOfInstance(db, instance.id)).map((ref) => [ref.segment.segmentId, ref]));
  const refOf = (segmentId: string): SegmentRef => {
    const ref = refs.get(segmentId);
    if (ref === undefined) throw new HoldfastError("INTERNAL", `The plan names log piece ${segmentId}, which the catalog does not have.`);
    return ref;
  };
  const question = {
    instance,
    goal,
    allowGap,
    backups: await backupsOfInstance(db, instance.id),
    segments: [...refs.values()].map((ref) => ref.segment),
    nowMs,
    loadGroups: (segment: LogSegment) => openLogIndex(refOf(segment.segmentId)),
  };
  const choice = await chooseSoundRestore(question, await knownDamageOf(db));
  const { start, stop, gaps, warnings, passedOver } = choice;
  const chain = await refsOf(db, choice.chain);
  const segments = choice.segments.map((segment) => refOf(segment.segmentId));
  const way = { instanceId: instance.id, chain, segments, start, stop };
  const steps = restoreSteps(way, await measuredHistory(db, instance.id));
  const expectedMs = sumExpectedMs(steps.map((step) => step.expectedMs));
  return { ...way, instanceName: instance.name, engine: instance.engine, goal, gaps, steps, bytesToFetch: bytesToFetch(way), expectedMs, warnings, passedOver };
}

export async function refsOf(db: CatalogDb, chain: readonly Pick<Backup, "backupId">[]): Promise<BackupRef[]> {
  const refs: BackupRef[] = [];
  for (const { backupId } of chain) refs.push(await getBackupRef(db, backupId));
  return refs;
}

/** Verifications and restores of this instance, and of others for what it has not done yet. */
export async function measuredHistory(db: CatalogDb, instanceId: string): Promise<MeasuredRun[]> {
  const own = (await passedReportsOfInstance(db, instanceId, HISTORY_RUNS)).map(({ phases }) => ({ instanceId, phases }));
  return [...own, ...(await measuredJobs(db, "restore")), ...(await measuredJobs(db, "verify"))];
}

const measuredSchema = z.object({ phases: z.array(phaseSchema) });

async function measuredJobs(db: CatalogDb, kind: "restore" | "verify"): Promise<MeasuredRun[]> {
  const jobs = await listJobs(db, { kind, state: "succeeded", limit: HISTORY_RUNS });
  return jobs.flatMap(({ instanceId, result }) => {
    const measured = measuredSchema.safeParse(result);
    return measured.success && instanceId !== null ? [{ instanceId, phases: measured.data.phases }] : [];
  });
}

/**
 * The same plan with the pieces of log that hold its bytes now: between plan and start, tails may have been merged into
 * a segment. Chain and stop place stay as they were shown. Throws GAP or NOT_FOUND when they cannot be had any more, and
 * OBJECT_DAMAGED when they were found damaged since.
 */
export async function renewPlan(db: CatalogDb, plan: RestorePlan): Promise<RestorePlan> {
  const damage = await knownDamageOf(db);
  const chain = await refsOf(db, plan.chain);
  refuseDamaged(plan, damage, chain.map(({ backupId }) => `backup:${backupId}`));
  const tip = await findBackup(db, plan.chain.at(-1)?.backupId ?? "");
  const from = tip.facts.logPosition;
  if (plan.start === null || plan.stop === null || from === null) return { ...plan, chain };
  const pieces = await piecesFrom(db, { instanceId: plan.instanceId, timeline: tip.timeline, fromFile: logFileNumber(from.file) });
  const sound = pieces.map((piece) => piece.segment).filter((segment) => !isDamagedSegment(damage, segment));
  const way = wayOver(sound, from, plan.stop, plan.gaps.length);
  if ("gap" in way) {
    refuseDamaged(plan, damage, pieces.map(({ segment }) => `segment:${segment.segmentId}`));
    throw way.gap;
  }
  const byId = new Map(pieces.map((piece) => [piece.segment.segmentId, piece]));
  return { ...plan, chain, start: way.start, gaps: way.gaps, segments: way.segments.flatMap((segment) => byId.get(segment.segmentId) ?? []) };
}

function wayOver(segments: readonly LogSegment[], from: LogPosition, stop: StopPoint, gapsAccepted: number): LogWay | { gap: HoldfastError } {
  try {
    const way = logWay(segments, from, stop);
    if (way.gaps.length <= gapsAccepted) return way;
    return { gap: new HoldfastError("GAP", `The log that this restore was planned over has lost pieces since: ${way.gaps.map((gap) => gap.message).join(" ")}`) };
  } catch (error) {
    if (isHoldfastError(error, "GAP")) return { gap: error };
    throw error;
  }
}

function refuseDamaged(plan: RestorePlan, damage: Damage, subjects: readonly string[]): void {
  const messages = subjects.flatMap((subject) => damage.get(subject) ?? []);
  if (messages.length === 0) return;
  throw new HoldfastError("OBJECT_DAMAGED", `Since this restore of ${plan.instanceName} was planned, damage was found in what it builds on: ${messages.join(" ")}`, {
    hint: "Plan it again: another chain is taken if there is one.",
  });
}
