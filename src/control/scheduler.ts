import { newestBackup } from "../catalog/backups.ts";
import { listFindings } from "../catalog/findings.ts";
import { listInstances } from "../catalog/instances.ts";
import { allOpenJobs, insertJob, moveJob, newestJob, scheduleKey } from "../catalog/jobs.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import { getPolicy, listPolicies } from "../catalog/policies.ts";
import { getProbe } from "../catalog/probes.ts";
import { markKey, putScheduleMark, scheduleMarks, type Track } from "../catalog/schedule-marks.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { currentTimeline } from "../catalog/timelines.ts";
import { isoTime } from "../lib/clock.ts";
import { asHoldfastError } from "../lib/errors.ts";
import { type Backup, isTakenLater } from "../model/backup.ts";
import { wholeChains } from "../model/chain.ts";
import { isDamagedBackup } from "../model/damage.ts";
import type { Instance } from "../model/instance.ts";
import type { JobParams } from "../model/job-params.ts";
import type { JobKind } from "../model/job.ts";
import type { Manifest } from "../model/manifest.ts";
import type { Policy, Schedule } from "../model/policy.ts";
import { dueAt, type DueInstant } from "../model/schedule.ts";
import { knownDamageOf } from "./damage.ts";
import { clear, raise } from "./findings.ts";
import { isFrozen } from "./frozen.ts";
import { knockFor } from "./knocks.ts";
import { backupsOfInstance } from "./plan-restore.ts";
import type { ControlPorts, ControlSettings } from "./ports.ts";

const FINDING_KIND = "schedule-failed";

type OpenJob = Awaited<ReturnType<typeof allOpenJobs>>[number];

/** One instance in one pass of the scheduler. */
interface Visit {
  readonly ports: ControlPorts;
  readonly settings: Pick<ControlSettings, "shipRetryMs" | "probeEveryMs">;
  readonly instance: Instance;
  readonly policy: Policy;
  readonly marks: ReadonlyMap<string, number>;
  readonly open: readonly OpenJob[];
  readonly nowMs: number;
  readonly dueInstant: DueInstant;
  /** Subjects of instances that could not be scheduled before. */
  readonly failing: ReadonlySet<string>;
}

/**
 * One look at every instance: inserts what is due and knocks for it. Doing it twice inserts nothing twice; a frozen
 * catalog gets nothing. Returns the ids of the new jobs.
 */
export async function schedulePass(ports: ControlPorts, settings: Visit["settings"]): Promise<string[]> {
  const { db } = ports.catalog;
  if (await isFrozen(db)) return [];
  const nowMs = ports.clock.nowMs();
  const policies = new Map((await listPolicies(db)).map(({ name, spec }) => [name, spec]));
  const [marks, openJobs, instances] = await Promise.all([scheduleMarks(db), allOpenJobs(db), listInstances(db)]);
  const open = Map.groupBy(openJobs, (job) => job.instanceId);
  const dueInstant = dueAt(nowMs);
  const failing = new Set((await listFindings(db, { all: false })).filter(({ kind }) => kind === FINDING_KIND).map(({ subject }) => subject));
  const created: string[] = [];
  for (const instance of instances) {
    const policy = instance.removedAt === null ? policies.get(instance.policy) : undefined;
    const jobs = open.get(instance.id) ?? [];
    if (policy?.logs.enabled !== true) await stopShipping(ports, jobs);
    if (policy !== undefined) created.push(...(await guardedVisit({ ports, settings, instance, policy, marks, open: jobs, nowMs, dueInstant, failing })));
  }
  for (const jobId of created) await knockFor(ports, jobId);
  return created;
}

/** One instance that cannot be scheduled must not keep the others waiting. */
async function guardedVisit(at: Visit): Promise<string[]> {
  const about = { kind: FINDING_KIND, subject: `instance:${at.instance.id}` };
  try {
    const ids = await visit(at);
    if (at.failing.has(about.subject)) await clear(at.ports, at.ports.catalog.db, about);
    return ids;
  } catch (error) {
    at.ports.log.error({ instance: at.instance.name, err: error }, "an instance cannot be scheduled");
    const { message, hint } = asHoldfastError(error);
    await raise(at.ports, at.ports.catalog.db, { ...about, severity: "critical", message: `Nothing can be scheduled for ${at.instance.name}: ${message}`, remedy: hint });
    return [];
  }
}

async function visit(at: Visit): Promise<string[]> {
  const ids = [await scheduleProbe(at), await scheduleBackup(at), await scheduleShip(at), await scheduleVerify(at)];
  return ids.filter((id) => id !== null);
}

function isOpen(at: Visit, kind: JobKind): boolean {
  return at.open.some((job) => job.kind === kind);
}

/** What is due on a track. A cron schedule seen for the first time gets its mark and waits for its next instant. */
async function due(at: Visit, track: Track, schedule: Schedule | undefined): Promise<number | null> {
  if (schedule === undefined) return null;
  const markMs = at.marks.get(markKey(at.instance.id, track)) ?? null;
  if (markMs === null && "cron" in schedule) {
    await putScheduleMark(at.ports.catalog.db, { instanceId: at.instance.id, track, scheduledAtMs: at.nowMs });
    return null;
  }
  return at.dueInstant(schedule, at.instance.timeZone, markMs);
}

/** Inserts a scheduled job and moves the marks of the tracks it serves, in one transaction. */
async function insertScheduled(at: Visit, job: { params: JobParams; subject: string; instantMs: number; tracks: readonly Track[] }): Promise<string | null> {
  const { instance, ports } = at;
  const scheduledAt = isoTime(job.instantMs);
  const jobId = ports.newId();
  return inTransaction(ports.catalog.db, async (db) => {
    for (const track of job.tracks) await putScheduleMark(db, { instanceId: instance.id, track, scheduledAtMs: job.instantMs });
    const inserted = await insertJob(db, {
      jobId,
      instanceId: instance.id,
      policy: instance.policy,
      scheduledAt,
      scheduleKey: scheduleKey(job.params.kind, instance.policy, instance.id, scheduledAt),
      subject: job.subject,
      params: job.params,
      createdAt: isoTime(at.nowMs),
    });
    return inserted ? jobId : null;
  });
}

async function scheduleProbe(at: Visit): Promise<string | null> {
  const instantMs = await due(at, "probe", { every: at.settings.probeEveryMs });
  if (instantMs === null || isOpen(at, "probe")) return null;
  return insertScheduled(at, { params: { kind: "probe" }, subject: "probe", instantMs, tracks: ["probe"] });
}

/** A full stands for an incremental that is due at the same time; without a full on this timeline an incremental becomes one. */
async function scheduleBackup(at: Visit): Promise<string | null> {
  const fullMs = await due(at, "full", at.policy.full);
  const incrementalMs = await due(at, "incremental", at.policy.incremental);
  const instantMs = fullMs ?? incrementalMs;
  if (instantMs === null || isOpen(at, "backup")) return null;
  const subject = fullMs !== null || !(await hasFull(at)) ? "full" : "incremental";
  // `auto`: what looks whole now may have failed its verification by the time the order is made; then it is a full.
  const backupKind = subject === "full" ? "full" : "auto";
  const tracks: Track[] = [...(fullMs === null ? [] : ["full" as const]), ...(incrementalMs === null ? [] : ["incremental" as const])];
  return insertScheduled(at, { params: { kind: "backup", backupKind }, subject, instantMs, tracks });
}

async function hasFull(at: Visit): Promise<boolean> {
  const { db } = at.ports.catalog;
  const timeline = await currentTimeline(db, at.instance.id);
  return timeline !== null && (await newestBackup(db, at.instance.id, { timeline: timeline.id, kind: "full" })) !== null;
}

/** Keeps one `ship` job open; after one that failed it waits a while, and where the server keeps no log there is nothing to ship. */
async function scheduleShip(at: Visit): Promise<string | null> {
  const { ports, instance, nowMs } = at;
  if (!at.policy.logs.enabled || isOpen(at, "ship")) return null;
  const { db } = ports.catalog;
  if ((await getProbe(db, instance.id))?.logging.enabled === false) return null;
  const last = await newestJob(db, instance.id, "ship", ["failed", "cancelled"]);
  if (last?.endedAt != null && nowMs - Date.parse(last.endedAt) < at.settings.shipRetryMs) return null;
  const jobId = ports.newId();
  const createdAt = isoTime(nowMs);
  await insertJob(db, { jobId, instanceId: instance.id, policy: instance.policy, scheduledAt: createdAt, scheduleKey: null, subject: "log", params: { kind: "ship" }, createdAt });
  return jobId;
}

/** Asks shipping to stop where the policy or the configuration no longer wants it. */
async function stopShipping(ports: ControlPorts, jobs: readonly OpenJob[]): Promise<void> {
  for (const job of jobs.filter(({ kind }) => kind === "ship")) {
    const endedAt = isoTime(ports.clock.nowMs());
    const ended = await moveJob(ports.catalog.db, job.id, { from: ["due"], to: "cancelled", patch: { endedAt } });
    if (!ended) await moveJob(ports.catalog.db, job.id, { from: ["running"], to: "running", patch: { cancelRequested: 1 } });
  }
}

async function scheduleVerify(at: Visit): Promise<string | null> {
  const { schedule, tier } = at.policy.verification;
  const instantMs = await due(at, "verify", schedule);
  if (instantMs === null || isOpen(at, "verify")) return null;
  const newest = await newestSoundBackup(at.ports.catalog.db, at.instance.id);
  if (newest === null) return null;
  const { backupId } = newest;
  return insertScheduled(at, { params: { kind: "verify", backupId, tier }, subject: `${tier} of ${backupId}`, instantMs, tracks: ["verify"] });
}

/** The newest backup whose chain is not known to be damaged; where all are, the newest: its verification will say so. */
async function newestSoundBackup(db: CatalogDb, instanceId: string): Promise<Backup | null> {
  const newest = await newestBackup(db, instanceId);
  const damage = await knownDamageOf(db);
  if (newest === null || damage.size === 0) return newest;
  const sound = (await backupsOfInstance(db, instanceId)).filter((backup) => !isDamagedBackup(damage, backup));
  const tips = wholeChains(sound).map(({ tip }) => tip);
  return tips.reduce<Backup | null>((best, tip) => (best === null || isTakenLater(tip, best) ? tip : best), null) ?? newest;
}

/** How long the log may need to reach the recorded position before a T4 verification asks for it. */
const LOG_ARRIVAL_MS = 5_000;

/**
 * Where the policy verifies after every backup, the verification is inserted in the transaction that commits the
 * backup: no crash loses it. T4 waits until the log that it replays can have been shipped.
 */
export async function insertVerifyJobAfter(ports: Pick<ControlPorts, "clock" | "newId">, db: CatalogDb, manifest: Manifest): Promise<void> {
  const policy = (await getPolicy(db, manifest.policy))?.spec;
  if (policy === undefined || policy.verification.schedule !== undefined) return;
  const { tier } = policy.verification;
  const nowMs = ports.clock.nowMs();
  const waits = tier === "T4" && policy.logs.enabled && manifest.facts.recordedPosition !== null;
  await insertJob(db, {
    jobId: ports.newId(),
    instanceId: manifest.instance.id,
    policy: manifest.policy,
    scheduledAt: isoTime(nowMs),
    scheduleKey: `verify after ${manifest.backupId}`,
    subject: `${tier} of ${manifest.backupId}`,
    params: { kind: "verify", backupId: manifest.backupId, tier },
    createdAt: isoTime(nowMs),
    notBeforeMs: waits ? nowMs + 2 * policy.logs.shipEvery + LOG_ARRIVAL_MS : 0,
  });
}
