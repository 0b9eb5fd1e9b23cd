import type { Selectable, Updateable } from "kysely";
import { HoldfastError } from "../lib/errors.ts";
import { type JobParams, jobParamsSchema } from "../model/job-params.ts";
import { type Job, type JobKind, jobSchema, type JobState } from "../model/job.ts";
import { errorRecordSchema } from "../model/scalars.ts";
import { attemptsOfJobs } from "./attempts.ts";
import { recordEvent } from "./events.ts";
import { readJson, readJsonOrNull, readTrusted } from "./json-column.ts";
import type { CatalogDb, CatalogSchema } from "./schema.ts";

export type JobRow = Selectable<CatalogSchema["job"]>;
export type JobPatch = Omit<Updateable<CatalogSchema["job"]>, "id" | "state">;

/** States in which a job still stands before its end. */
export const OPEN_STATES = ["due", "running", "committing"] as const satisfies readonly JobState[];

export interface NewJob {
  readonly jobId: string;
  readonly instanceId: string | null;
  readonly policy: string | null;
  readonly scheduledAt: string;
  /** From `scheduleKey()` for what a schedule made; null for what a person asked for. */
  readonly scheduleKey: string | null;
  /** A few words for lists. */
  readonly subject: string;
  /** Its `kind` is the job's kind. */
  readonly params: JobParams;
  readonly createdAt: string;
  /** Not given to an agent before this; at once when left out. */
  readonly notBeforeMs?: number;
}

/** One job of each kind for a policy, instance and scheduled instant, however often the scheduler looks. */
export function scheduleKey(kind: JobKind, policy: string, instanceId: string, scheduledAt: string): string {
  return `${kind} ${policy} ${instanceId} ${scheduledAt}`;
}

/** False when a job of the same schedule key is there already. */
export async function insertJob(db: CatalogDb, job: NewJob): Promise<boolean> {
  const { jobId, params, notBeforeMs, ...rest } = job;
  const inserted = await db
    .insertInto("job")
    .values({
      ...rest,
      id: jobId,
      kind: params.kind,
      params: JSON.stringify(params),
      state: "due",
      notBeforeMs: notBeforeMs ?? 0,
      attemptCount: 0,
      cancelRequested: 0,
      endedAt: null,
      result: null,
      error: null,
    })
    .onConflict((conflict) => conflict.column("scheduleKey").doNothing())
    .executeTakeFirst();
  const isNew = (inserted.numInsertedOrUpdatedRows ?? 0n) > 0n;
  if (isNew) await recordEvent(db, "job", jobId);
  return isNew;
}

async function jobsOf(db: CatalogDb, rows: readonly (JobRow & { instanceName: string | null })[]): Promise<Job[]> {
  const attempts = await attemptsOfJobs(db, rows.map((row) => row.id));
  return rows.map((row) =>
    // Unknown columns are dropped by the schema.
    jobSchema.parse({
      ...row,
      jobId: row.id,
      cancelRequested: row.cancelRequested !== 0,
      attempts: attempts.get(row.id) ?? [],
      error: readJsonOrNull(errorRecordSchema, row.error, "job.error"),
      result: row.result === null ? null : readTrusted(row.result, "job.result"),
    }),
  );
}

/** NOT_FOUND names what was asked for. */
export async function findJob(db: CatalogDb, jobId: string): Promise<Job> {
  const rows = await selectJobs(db).where("job.id", "=", jobId).execute();
  const job = (await jobsOf(db, rows))[0];
  if (job !== undefined) return job;
  throw new HoldfastError("NOT_FOUND", `There is no job ${jobId}.`, { hint: "See `holdfast job list`." });
}

function selectJobs(db: CatalogDb) {
  return db.selectFrom("job").leftJoin("instance", "instance.id", "job.instanceId").selectAll("job").select("instance.name as instanceName");
}

export interface JobFilter {
  readonly instanceId?: string | undefined;
  readonly kind?: JobKind | undefined;
  readonly state?: JobState | undefined;
  /** Id of the last job already seen. */
  readonly before?: string | undefined;
  readonly limit: number;
}

/** Newest first. */
export async function listJobs(db: CatalogDb, filter: JobFilter): Promise<Job[]> {
  const { instanceId, kind, state, before } = filter;
  const rows = await selectJobs(db)
    .$if(instanceId !== undefined, (query) => query.where("job.instanceId", "=", instanceId ?? ""))
    .$if(kind !== undefined, (query) => query.where("job.kind", "=", kind ?? ""))
    .$if(state !== undefined, (query) => query.where("job.state", "=", state ?? ""))
    .$if(before !== undefined, (query) => query.where("job.id", "<", before ?? ""))
    .orderBy("job.id", "desc")
    .limit(filter.limit)
    .execute();
  return jobsOf(db, rows);
}

/** The job as the catalog keeps it, and what it was asked to do. */
export async function getJobRow(db: CatalogDb, jobId: string): Promise<JobRow> {
  const row = await db.selectFrom("job").selectAll().where("id", "=", jobId).executeTakeFirst();
  if (row === undefined) throw new HoldfastError("NOT_FOUND", `There is no job ${jobId}.`, { hint: "See `holdfast job list`." });
  return row;
}

export function paramsOf(row: Pick<JobRow, "params">): JobParams {
  return readJson(jobParamsSchema, row.params, "job.params");
}

/** Compare-and-set: true when the job was in one of the `from` states and is now in `to`. */
export async function moveJob(db: CatalogDb, jobId: string, step: { from: readonly JobState[]; to: JobState; patch?: JobPatch }): Promise<boolean> {
  const moved = await db
    .updateTable("job")
    .set({ ...step.patch, state: step.to })
    .where("id", "=", jobId)
    .where("state", "in", step.from)
    .executeTakeFirst();
  const hasMoved = moved.numUpdatedRows > 0n;
  if (hasMoved) await recordEvent(db, "job", jobId);
  return hasMoved;
}

/** The pool of jobs that are about no instance. */
const POOL_OF_NONE = "local";

export interface DueFilter {
  readonly nowMs: number;
  readonly limit: number;
  readonly jobId?: string | undefined;
  /** Only jobs of instances that these pools serve; all when left out. */
  readonly pools?: readonly string[] | undefined;
}

/** Due jobs that may start now, oldest first, with their pools. */
export async function dueJobs(db: CatalogDb, { nowMs, limit, jobId, pools }: DueFilter): Promise<(JobRow & { pool: string })[]> {
  return db
    .selectFrom("job")
    .leftJoin("instance", "instance.id", "job.instanceId")
    .selectAll("job")
    .select((eb) => eb.fn.coalesce("instance.pool", eb.val(POOL_OF_NONE)).as("pool"))
    .where("job.state", "=", "due")
    .where("job.notBeforeMs", "<=", nowMs)
    .$if(jobId !== undefined, (query) => query.where("job.id", "=", jobId ?? ""))
    .$if(pools !== undefined, (query) => query.where((eb) => eb(eb.fn.coalesce("instance.pool", eb.val(POOL_OF_NONE)), "in", pools ?? [])))
    .orderBy("job.id")
    .limit(limit)
    .execute();
}

/** How many due jobs may start now, by the pool that serves them. */
export async function dueByPool(db: CatalogDb, nowMs: number): Promise<{ pool: string; jobs: number }[]> {
  const rows = await db
    .selectFrom("job")
    .leftJoin("instance", "instance.id", "job.instanceId")
    .select((eb) => ["instance.pool", eb.fn.countAll<number>().as("jobs")])
    .where("job.state", "=", "due")
    .where("job.notBeforeMs", "<=", nowMs)
    .groupBy("instance.pool")
    .execute();
  const byPool = Map.groupBy(rows, ({ pool }) => pool ?? POOL_OF_NONE);
  return [...byPool].map(([pool, members]) => ({ pool, jobs: members.reduce((sum, { jobs }) => sum + jobs, 0) }));
}

/** Which pool serves a job. */
export async function poolOfJob(db: CatalogDb, jobId: string): Promise<string> {
  const row = await db.selectFrom("job").innerJoin("instance", "instance.id", "job.instanceId").select("instance.pool").where("job.id", "=", jobId).executeTakeFirst();
  return row?.pool ?? POOL_OF_NONE;
}

/** Jobs that an agent works on or the server commits, without their documents. */
export async function activeJobs(db: CatalogDb): Promise<Pick<JobRow, "id" | "kind" | "instanceId">[]> {
  return db.selectFrom("job").select(["id", "kind", "instanceId"]).where("state", "in", ["running", "committing"]).execute();
}

/** Open jobs (due, running, committing) of an instance, of one kind. */
export async function openJobs(db: CatalogDb, instanceId: string, kind: JobKind): Promise<JobRow[]> {
  return db.selectFrom("job").selectAll().where("instanceId", "=", instanceId).where("kind", "=", kind).where("state", "in", OPEN_STATES).orderBy("id").execute();
}

/** The newest job of an instance and kind, in one of the states when they are named. */
export async function newestJob(db: CatalogDb, instanceId: string, kind: JobKind, states?: readonly JobState[]): Promise<JobRow | null> {
  const row = await db
    .selectFrom("job")
    .selectAll()
    .where("instanceId", "=", instanceId)
    .where("kind", "=", kind)
    .$if(states !== undefined, (query) => query.where("state", "in", states ?? []))
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

/** Ids, kinds and instances of all open jobs; for a pass over every instance. */
export async function allOpenJobs(db: CatalogDb): Promise<Pick<JobRow, "id" | "kind" | "instanceId" | "state">[]> {
  return db.selectFrom("job").select(["id", "kind", "instanceId", "state"]).where("state", "in", OPEN_STATES).execute();
}

/** Asks a job to stop. A due one ends at once; a running one is told by its next heartbeat. CONFLICT when it has ended or is being committed. */
export async function requestCancel(db: CatalogDb, jobId: string, at: string): Promise<void> {
  const ended = await moveJob(db, jobId, { from: ["due"], to: "cancelled", patch: { cancelRequested: 1, endedAt: at } });
  if (ended) return;
  const asked = await moveJob(db, jobId, { from: ["running"], to: "running", patch: { cancelRequested: 1 } });
  if (asked) return;
  const { state } = await getJobRow(db, jobId);
  throw new HoldfastError("CONFLICT", `Job ${jobId} is ${state} and cannot be cancelled.`);
}

/** Makes a failed or cancelled job due again. CONFLICT when it is anything else. */
export async function retryJob(db: CatalogDb, jobId: string): Promise<void> {
  const patch = { cancelRequested: 0, endedAt: null, error: null, notBeforeMs: 0, attemptCount: 0 };
  if (await moveJob(db, jobId, { from: ["failed", "cancelled"], to: "due", patch })) return;
  const { state } = await getJobRow(db, jobId);
  throw new HoldfastError("CONFLICT", `Job ${jobId} is ${state}; only a failed or cancelled job can be run again.`);
}

/** Writes down that a job was asked for differently. */
export async function setJobParams(db: CatalogDb, jobId: string, params: JobParams): Promise<void> {
  await db.updateTable("job").set({ params: JSON.stringify(params) }).where("id", "=", jobId).execute();
}
