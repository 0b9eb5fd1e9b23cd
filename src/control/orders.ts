import { findBackup } from "../catalog/backups.ts";
import { type ConnectedInstance, getConnectedInstance } from "../catalog/instances.ts";
import { type JobRow, paramsOf } from "../catalog/jobs.ts";
import { getPolicy } from "../catalog/policies.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { piecesFrom, piecesOfNewestFile } from "../catalog/segments.ts";
import { lastVerifiedCounts } from "../catalog/verifications.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Backup, SegmentRef } from "../model/backup.ts";
import { chainOf, newestChainTip } from "../model/chain.ts";
import { segmentsBetween } from "../model/coverage.ts";
import { isDamagedBackup, isDamagedSegment } from "../model/damage.ts";
import type { JobParams } from "../model/job-params.ts";
import type { BackupOrder, ShippedPiece, VerifyOrder } from "../model/job.ts";
import type { LogSegment } from "../model/manifest.ts";
import type { Policy } from "../model/policy.ts";
import { comparePositions, logFileNumber, type LogPosition } from "../model/position.ts";
import { logWay } from "../model/restore-plan.ts";
import { checkWork } from "./check-order.ts";
import { knownDamageOf } from "./damage.ts";
import type { PlannedWork, PlanWork } from "./dispatch.ts";
import { backupsOfInstance, refsOf, renewPlan } from "./plan-restore.ts";
import type { ControlPorts } from "./ports.ts";
import { resealWork } from "./reseal.ts";
import { sealingOf, type SealingPorts } from "./sealing.ts";
import { openTimeline } from "./timelines.ts";

export interface OrderPorts extends Pick<ControlPorts, "clock" | "newId">, SealingPorts {}

/** What every order of an instance is made from. */
interface Subject {
  readonly db: CatalogDb;
  readonly ports: OrderPorts;
  readonly instance: ConnectedInstance;
  readonly policy: Policy;
}

/** Makes orders from the catalog: the agent reads no old backup and trusts nothing of its own. */
export function createPlanWork(ports: OrderPorts): PlanWork {
  return async (db, job) => {
    const params = paramsOf(job);
    if (params.kind === "check") return checkWork(db, job, params);
    if (params.kind === "restore") return restoreWork(db, params);
    if (params.kind === "verify") return verifyWork(db, job, params);
    if (params.kind === "reseal") return resealWork(db, params, ports);
    const subject = await subjectOf(db, ports, job);
    if (params.kind === "backup") return backupWork(subject, job, params.backupKind);
    return params.kind === "ship" ? shipWork(subject) : probeWork(subject);
  };
}

async function subjectOf(db: CatalogDb, ports: OrderPorts, job: JobRow): Promise<Subject> {
  const instance = job.instanceId === null ? null : await getConnectedInstance(db, job.instanceId);
  if (instance === null) throw new HoldfastError("NOT_FOUND", `Job ${job.id} is about an instance that the catalog does not have.`);
  if (instance.removedAt !== null) throw new HoldfastError("REFUSED", `The configuration no longer names instance ${instance.name}.`, { hint: "Name it again and run `holdfast apply`." });
  return { db, ports, instance, policy: await requirePolicy(db, instance.policy) };
}

async function requirePolicy(db: CatalogDb, name: string): Promise<Policy> {
  const policy = await getPolicy(db, name);
  if (policy === null) throw new HoldfastError("NOT_FOUND", `There is no policy ${name}.`, { hint: "Name it in the configuration and run `holdfast apply`." });
  return policy.spec;
}

function sealing({ policy, ports, instance }: Subject): BackupOrder["sealing"] {
  return sealingOf(ports, { name: instance.policy, spec: policy });
}

async function backupWork(subject: Subject, job: JobRow, asked: Extract<JobParams, { kind: "backup" }>["backupKind"]): Promise<PlannedWork> {
  const { db, ports, instance, policy } = subject;
  const timeline = await openTimeline(ports, db, instance.id);
  const parent = asked === "full" ? null : await parentFor(subject, timeline.id);
  // A schedule wants the instance protected: where nothing can be built on, a full does that. A person is told.
  if (parent === null && asked === "incremental" && job.scheduleKey === null) {
    throw new HoldfastError("CHAIN_BROKEN", `${instance.name} has no backup that an incremental could build on: none on its present log lineage in repository ${policy.repository} that is whole, undamaged and did not fail verification.`, {
      hint: `Take a full backup: \`holdfast backup run ${instance.name} --kind full\`.`,
    });
  }
  const work: BackupOrder = {
    kind: "backup",
    backupKind: parent === null ? "full" : "incremental",
    parent: parent === null ? null : parentFacts(parent),
    sealing: sealing(subject),
    rowCounts: policy.rowCounts,
    heartbeat: policy.heartbeat,
    lockMaxMs: policy.lockMax,
    ...(policy.hooks === undefined ? {} : { hooks: { before: policy.hooks.beforeBackup, after: policy.hooks.afterBackup } }),
  };
  return { work, repository: policy.repository, timeline: timeline.id };
}

/** A chain lies in one repository: a policy that names another one begins a new chain there. What is known to be damaged in storage is not built on. */
async function parentFor({ db, instance, policy }: Subject, timeline: string): Promise<Backup | null> {
  const backups = await backupsOfInstance(db, instance.id);
  const damage = await knownDamageOf(db);
  return newestChainTip(backups.filter((backup) => backup.repository === policy.repository && !isDamagedBackup(damage, backup)), timeline);
}

function parentFacts({ backupId, facts }: Backup): BackupOrder["parent"] {
  const { toLsn, dataIdentity, flavour, serverVersion } = facts;
  return { backupId, toLsn, dataIdentity, flavour, serverVersion };
}

async function shipWork(subject: Subject): Promise<PlannedWork> {
  const { db, ports, instance, policy } = subject;
  const timeline = await openTimeline(ports, db, instance.id);
  const newest = (await piecesOfNewestFile(db, instance.id, timeline.id)).map((ref) => ref.segment);
  const work: PlannedWork["work"] = {
    kind: "ship",
    sealing: sealing(subject),
    shipEveryMs: policy.logs.shipEvery,
    mergeBytes: policy.logs.mergeBytes,
    shipped: shippedPieces(newest),
    startAt: newest.length > 0 ? null : await oldestPlace(db, instance.id, timeline.id),
    timeline: timeline.id,
    dataIdentity: timeline.dataIdentity,
  };
  return { work, repository: policy.repository, timeline: timeline.id };
}

/** What is stored of one file without a hole, from its head on; what lies behind a hole is shipped again. */
export function shippedPieces(pieces: readonly LogSegment[]): ShippedPiece[] {
  const [first] = pieces;
  if (first === undefined) return [];
  const end = Math.max(...pieces.map((piece) => piece.endPosition));
  const { segments } = segmentsBetween(pieces, { file: first.file, position: first.startPosition, gtid: "" }, { file: first.file, position: end }, "stop");
  return segments.map(({ segmentId, kind, file, startPosition, endPosition, plainSha256, gtidAfter, closesFile }) => ({
    segmentId, kind, file, startPosition, endPosition, plainSha256, gtidAfter, closesFile,
  })); // prettier-ignore
}

/** Where the oldest backup of a timeline stands in the log: from there on every instant is to be reachable. */
async function oldestPlace(db: CatalogDb, instanceId: string, timeline: string): Promise<LogPosition | null> {
  const places = (await backupsOfInstance(db, instanceId)).flatMap((backup) => (backup.timeline === timeline && backup.facts.logPosition !== null ? [backup.facts.logPosition] : []));
  return places.reduce<LogPosition | null>((oldest, place) => (oldest === null || comparePositions(place, oldest) < 0 ? place : oldest), null);
}

function probeWork({ policy }: Subject): PlannedWork {
  return { work: { kind: "probe", heartbeat: policy.heartbeat }, repository: policy.repository, timeline: "" };
}

async function restoreWork(db: CatalogDb, params: Extract<JobParams, { kind: "restore" }>): Promise<PlannedWork> {
  const plan = await renewPlan(db, params.plan);
  const tip = await findBackup(db, plan.chain.at(-1)?.backupId ?? "");
  return { work: { kind: "restore", plan, target: params.target }, repository: tip.repository, timeline: tip.timeline };
}

async function verifyWork(db: CatalogDb, job: JobRow, params: Extract<JobParams, { kind: "verify" }>): Promise<PlannedWork> {
  const backup = await findBackup(db, params.backupId);
  const chain = chainOf(await backupsOfInstance(db, backup.instanceId), backup.backupId);
  // A policy that is gone leaves backups behind which are verified all the same, without its assertions.
  const verification = (await getPolicy(db, job.policy ?? backup.policy))?.spec.verification;
  const replay = params.tier === "T4" ? await recordedWay(db, backup) : null;
  const work: VerifyOrder = {
    kind: "verify",
    // Without the log, T4 would promise what nothing proves.
    tier: params.tier === "T4" && replay === null ? "T3" : params.tier,
    chain: await refsOf(db, chain),
    segments: replay?.segments ?? [],
    replayTo: replay?.replayTo ?? null,
    checkTables: verification?.checkTables ?? true,
    assertions: verification?.assertions ?? [],
    rowTolerance: verification?.rowTolerance ?? 0.5,
    previousCounts: await lastVerifiedCounts(db, backup.instanceId),
  };
  return { work, repository: backup.repository, timeline: backup.timeline };
}

/** The log from a backup to where its counts were recorded; null while it is not stored whole, or when nothing was recorded. */
export async function recordedWay(db: CatalogDb, backup: Backup): Promise<{ segments: SegmentRef[]; replayTo: LogPosition } | null> {
  const { logPosition, recordedPosition } = backup.facts;
  if (logPosition === null || recordedPosition === null || comparePositions(logPosition, recordedPosition) > 0) return null;
  if (comparePositions(logPosition, recordedPosition) === 0) return { segments: [], replayTo: recordedPosition };
  const damage = await knownDamageOf(db);
  const stored = await piecesFrom(db, { instanceId: backup.instanceId, timeline: backup.timeline, fromFile: logFileNumber(logPosition.file) });
  // Log that is known to be damaged says nothing about the backup.
  const pieces = stored.filter(({ segment }) => !isDamagedSegment(damage, segment));
  try {
    const way = logWay(pieces.map((piece) => piece.segment), logPosition, recordedPosition);
    const wanted = new Set(way.segments.map((segment) => segment.segmentId));
    return way.gaps.length > 0 ? null : { segments: pieces.filter((piece) => wanted.has(piece.segment.segmentId)), replayTo: recordedPosition };
  } catch (error) {
    if (isHoldfastError(error, "GAP")) return null;
    throw error;
  }
}
