import { getAgentRow } from "../catalog/agents.ts";
import { insertAttempt, nextFencingToken } from "../catalog/attempts.ts";
import { getConnectedInstance, listInstances } from "../catalog/instances.ts";
import { activeJobs, dueJobs, findJob, insertJob, type JobRow, moveJob, type NewJob } from "../catalog/jobs.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { isoTime } from "../lib/clock.ts";
import { HoldfastError, toErrorRecord } from "../lib/errors.ts";
import type { JobParams } from "../model/job-params.ts";
import type { Job, JobKind, Order, Work } from "../model/job.ts";
import { failDueJob } from "./end-attempt.ts";
import { knockFor } from "./knocks.ts";
import type { Leases } from "./leases.ts";
import type { ControlPorts, ControlSettings } from "./ports.ts";

/** What an attempt is to do, made from the catalog in the moment it is claimed. */
export interface PlannedWork {
  readonly work: Work;
  /** The repository the attempt writes to. */
  readonly repository: string;
  /** Log lineage that a backup or ship attempt belongs to (see timelines.ts); the empty string for other work. */
  readonly timeline: string;
}

/**
 * Makes the work of a job's next attempt; runs inside the claim's transaction and reads through `db` only. What it
 * throws ends the job as failed with that error (CHAIN_BROKEN, NOT_FOUND, ...), and nothing it wrote stays.
 */
export type PlanWork = (db: CatalogDb, job: JobRow) => Promise<PlannedWork>;

export interface Dispatcher {
  readonly ports: ControlPorts;
  readonly leases: Leases;
  readonly settings: ControlSettings;
  readonly planWork: PlanWork;
}

export interface ClaimRequest {
  readonly agent: string;
  /** Only jobs of instances that these pools serve; all when left out. */
  readonly pools?: readonly string[] | undefined;
  /** Who claims, for an agent of another machine; checked in the claim's own transaction. */
  readonly identity?: { readonly agentId: string; readonly session: string } | undefined;
  readonly jobId?: string | undefined;
  /** Only jobs of these kinds. */
  readonly kinds?: readonly JobKind[] | undefined;
}

const CANDIDATES = 200;

/** Creates a job that a person asked for and knocks. */
export async function submitJob(
  ports: ControlPorts,
  request: { params: JobParams; instanceId: string | null; policy: string | null; subject: string },
): Promise<Job> {
  const at = isoTime(ports.clock.nowMs());
  const job: NewJob = { ...request, jobId: ports.newId(), scheduledAt: at, scheduleKey: null, createdAt: at };
  await insertJob(ports.catalog.db, job);
  await knockFor(ports, job.jobId);
  return findJob(ports.catalog.db, job.jobId);
}

/** Knocks for everything that may start now: a knock that was lost is made good here. Returns how many. */
export async function knockDueJobs(ports: ControlPorts): Promise<number> {
  const jobs = await dueJobs(ports.catalog.db, { nowMs: ports.clock.nowMs(), limit: CANDIDATES });
  for (const job of jobs) await ports.queue.knock(job.pool, job.id);
  return jobs.length;
}

/** Whether a job may start beside those that run: within its kind's limit, and one backup (shipping, reseal) of an instance at a time. */
export function mayStart(job: Pick<JobRow, "kind" | "instanceId">, active: readonly Pick<JobRow, "kind" | "instanceId">[], limits: ControlSettings["runningLimits"]): boolean {
  const same = active.filter((other) => other.kind === job.kind);
  if (same.length >= (limits[job.kind] ?? Number.POSITIVE_INFINITY)) return false;
  const alone = job.kind === "backup" || job.kind === "ship" || job.kind === "reseal";
  return !(alone && same.some((other) => other.instanceId === job.instanceId));
}

/**
 * Gives an agent one due job (the named one, or the oldest that may start): the job becomes running, a new attempt has
 * its id, its lease and a fencing token higher than all before. Null when there is nothing to do. A job for which no
 * order can be made fails, and the next one is tried.
 */
export async function claim(dispatcher: Dispatcher, request: ClaimRequest): Promise<Order | null> {
  const { ports } = dispatcher;
  for (;;) {
    const refused: { job?: JobRow } = {};
    try {
      const order = await inTransaction(ports.catalog.db, (db) => claimOne(dispatcher, db, request, refused));
      if (order === null) return null;
      dispatcher.leases.begin(order.attemptId);
      ports.log.info({ jobId: order.jobId, attemptId: order.attemptId, kind: order.work.kind, agent: request.agent }, "job claimed");
      return order;
    } catch (error) {
      const { job } = refused;
      if (job === undefined) throw error;
      ports.log.warn({ jobId: job.id, err: error }, "no order can be made");
      await inTransaction(ports.catalog.db, (db) => failDueJob(ports, db, job, toErrorRecord(error)));
    }
  }
}

async function claimOne(dispatcher: Dispatcher, db: CatalogDb, request: ClaimRequest, refused: { job?: JobRow }): Promise<Order | null> {
  const { ports, settings } = dispatcher;
  await requireIdentity(db, request);
  const active = await activeJobs(db);
  const candidates = await dueJobs(db, { nowMs: ports.clock.nowMs(), limit: CANDIDATES, jobId: request.jobId, pools: request.pools });
  const job = candidates.find(({ kind, ...candidate }) => (request.kinds?.includes(kind as JobKind) ?? true) && mayStart({ kind, ...candidate }, active, settings.runningLimits));
  if (job === undefined) return null;
  if (!(await moveJob(db, job.id, { from: ["due"], to: "running", patch: { attemptCount: job.attemptCount + 1 } }))) return null;
  const planned = await planOrRemember(dispatcher.planWork, db, job, refused);
  return startAttempt(dispatcher, db, { job, agent: request.agent, ...planned });
}

/** An agent that was revoked or replaced between its call and this transaction gets nothing. */
async function requireIdentity(db: CatalogDb, { identity, agent }: ClaimRequest): Promise<void> {
  if (identity === undefined) return;
  const row = await getAgentRow(db, identity.agentId);
  if (row?.revokedAt === null && row.session === identity.session) return;
  throw new HoldfastError("AGENT_REPLACED", `Agent ${agent} may not claim any more: it was revoked, or another process has begun with its identity.`);
}

/** Remembers the job for which no order could be made: the claim's transaction is undone, and then it fails. */
async function planOrRemember(planWork: PlanWork, db: CatalogDb, job: JobRow, refused: { job?: JobRow }): Promise<PlannedWork & { instance: Order["instance"] }> {
  try {
    const instance = await orderedInstance(db, job);
    return { ...(await planWork(db, job)), instance };
  } catch (error) {
    refused.job = job;
    throw error;
  }
}

async function orderedInstance(db: CatalogDb, job: JobRow): Promise<Order["instance"]> {
  // A check is about a repository and touches no database; its order still names an instance, any will do.
  const instanceId = job.instanceId ?? (job.kind === "check" ? ((await listInstances(db))[0]?.id ?? null) : null);
  const instance = instanceId === null ? null : await getConnectedInstance(db, instanceId);
  if (instance === null) throw new HoldfastError("NOT_FOUND", `Job ${job.id} is about instance ${job.instanceId ?? "(none)"}, which is not in the catalog.`);
  const { id, name, engine, timeZone, connection } = instance;
  return { id, name, engine, timeZone, connection };
}

async function startAttempt(
  { ports, settings }: Dispatcher,
  db: CatalogDb,
  start: PlannedWork & { job: JobRow; agent: string; instance: Order["instance"] },
): Promise<Order> {
  const { job, work, repository, timeline, agent, instance } = start;
  const nowMs = ports.clock.nowMs();
  const attemptId = ports.newId();
  const fencingToken = await nextFencingToken(db);
  const number = await nextAttemptNumber(db, job.id);
  await insertAttempt(db, {
    id: attemptId,
    jobId: job.id,
    number,
    agent,
    state: "running",
    fencingToken,
    leaseExpiresAtMs: nowMs + settings.leaseMs,
    repository,
    timeline,
    lastGrantExpiresAtMs: 0,
    work: JSON.stringify(work),
    startedAt: isoTime(nowMs),
    endedAt: null,
    progress: null,
    error: null,
    commitDocument: null,
    commitResult: null,
    sweptAt: null,
  });
  const { leaseMs, heartbeatEveryMs } = settings;
  return { jobId: job.id, attemptId, fencingToken, leaseMs, heartbeatEveryMs, instance, repository, work };
}

async function nextAttemptNumber(db: CatalogDb, jobId: string): Promise<number> {
  const row = await db.selectFrom("attempt").select((eb) => eb.fn.max("number").as("highest")).where("jobId", "=", jobId).executeTakeFirst();
  return (row?.highest ?? 0) + 1;
}
