import type { Selectable, Updateable } from "kysely";
import { HoldfastError } from "../lib/errors.ts";
import { type Attempt, attemptSchema, type AttemptState, type Progress, progressSchema, type Work, workSchema } from "../model/job.ts";
import { errorRecordSchema } from "../model/scalars.ts";
import { readJson, readJsonOrNull } from "./json-column.ts";
import type { CatalogDb, CatalogSchema } from "./schema.ts";

export type AttemptRow = Selectable<CatalogSchema["attempt"]>;
export type AttemptPatch = Omit<Updateable<CatalogSchema["attempt"]>, "id" | "jobId" | "state">;

export async function insertAttempt(db: CatalogDb, row: AttemptRow): Promise<void> {
  await db.insertInto("attempt").values(row).execute();
}

/** One more than the highest ever given; call it in the transaction that inserts the attempt. */
export async function nextFencingToken(db: CatalogDb): Promise<number> {
  const row = await db.selectFrom("attempt").select((eb) => eb.fn.max("fencingToken").as("highest")).executeTakeFirst();
  return (row?.highest ?? 0) + 1;
}

/** NOT_FOUND names what was asked for. */
export async function findAttempt(db: CatalogDb, attemptId: string): Promise<AttemptRow> {
  const row = await db.selectFrom("attempt").selectAll().where("id", "=", attemptId).executeTakeFirst();
  if (row === undefined) throw new HoldfastError("NOT_FOUND", `There is no attempt ${attemptId}.`);
  return row;
}

/** What the attempt was ordered to do. */
export function workOf(row: Pick<AttemptRow, "work">): Work {
  return readJson(workSchema, row.work, "attempt.work");
}

/** Compare-and-set: true when the attempt was in one of the `from` states and is now in `to`. */
export async function moveAttempt(
  db: CatalogDb,
  attemptId: string,
  step: { from: readonly AttemptState[]; to: AttemptState; patch?: AttemptPatch },
): Promise<boolean> {
  const moved = await db
    .updateTable("attempt")
    .set({ ...step.patch, state: step.to })
    .where("id", "=", attemptId)
    .where("state", "in", step.from)
    .executeTakeFirst();
  return moved.numUpdatedRows > 0n;
}

/** Renews the lease when this token still holds it. */
export async function extendLease(db: CatalogDb, lease: { attemptId: string; fencingToken: number; expiresAtMs: number }): Promise<boolean> {
  const extended = await db
    .updateTable("attempt")
    .set({ leaseExpiresAtMs: lease.expiresAtMs })
    .where("id", "=", lease.attemptId)
    .where("fencingToken", "=", lease.fencingToken)
    .where("state", "=", "running")
    .executeTakeFirst();
  return extended.numUpdatedRows > 0n;
}

/** Running attempts whose lease ended before `nowMs`, the oldest first. */
export async function expiredAttempts(db: CatalogDb, nowMs: number): Promise<AttemptRow[]> {
  return db.selectFrom("attempt").selectAll().where("state", "=", "running").where("leaseExpiresAtMs", "<", nowMs).orderBy("leaseExpiresAtMs").execute();
}

export async function attemptsInState(db: CatalogDb, state: AttemptState): Promise<AttemptRow[]> {
  return db.selectFrom("attempt").selectAll().where("state", "=", state).orderBy("id").execute();
}

/** Gives every running attempt the same new end of its lease; for the start of a server that was down. */
export async function restartLeases(db: CatalogDb, expiresAtMs: number): Promise<void> {
  await db.updateTable("attempt").set({ leaseExpiresAtMs: expiresAtMs }).where("state", "=", "running").where("leaseExpiresAtMs", "<", expiresAtMs).execute();
}

export async function writeProgress(db: CatalogDb, attemptId: string, progress: Progress): Promise<void> {
  await db.updateTable("attempt").set({ progress: JSON.stringify(progress) }).where("id", "=", attemptId).execute();
}

/** Remembers until when an agent may write under this attempt's prefix. */
export async function noteGrantExpiry(db: CatalogDb, attemptId: string, expiresAtMs: number): Promise<void> {
  await db
    .updateTable("attempt")
    .set({ lastGrantExpiresAtMs: expiresAtMs })
    .where("id", "=", attemptId)
    .where("lastGrantExpiresAtMs", "<", expiresAtMs)
    .execute();
}

/** Attempts that came to nothing, whose last grant has expired and whose objects were not deleted yet. */
export async function unsweptAttempts(db: CatalogDb, nowMs: number): Promise<(AttemptRow & { instanceId: string | null; jobKind: string })[]> {
  return db
    .selectFrom("attempt")
    .innerJoin("job", "job.id", "attempt.jobId")
    .selectAll("attempt")
    .select(["job.instanceId", "job.kind as jobKind"])
    .where("attempt.state", "in", ["lost", "failed", "cancelled"])
    .where("attempt.sweptAt", "is", null)
    .where("attempt.lastGrantExpiresAtMs", "<", nowMs)
    .orderBy("attempt.id")
    .execute();
}

export async function markSwept(db: CatalogDb, attemptId: string, at: string): Promise<void> {
  await db.updateTable("attempt").set({ sweptAt: at }).where("id", "=", attemptId).execute();
}

/** Attempts of these jobs in order, by job. */
export async function attemptsOfJobs(db: CatalogDb, jobIds: readonly string[]): Promise<Map<string, Attempt[]>> {
  const found = new Map<string, Attempt[]>();
  if (jobIds.length === 0) return found;
  const rows = await db
    .selectFrom("attempt")
    .select(["id", "jobId", "number", "agent", "state", "startedAt", "endedAt", "progress", "error"])
    .where("jobId", "in", jobIds)
    .orderBy("number")
    .execute();
  for (const { id, progress, error, ...row } of rows) {
    const attempt = attemptSchema.parse({
      ...row,
      attemptId: id,
      progress: readJsonOrNull(progressSchema, progress, "attempt.progress"),
      error: readJsonOrNull(errorRecordSchema, error, "attempt.error"),
    });
    found.set(row.jobId, [...(found.get(row.jobId) ?? []), attempt]);
  }
  return found;
}

/** Backup attempts that may have objects in a repository and are no backups yet, or never will be; those that were swept are left out. */
export async function unfinishedBackupAttempts(db: CatalogDb, repository: string): Promise<{ id: string; instanceId: string }[]> {
  const rows = await db
    .selectFrom("attempt")
    .innerJoin("job", "job.id", "attempt.jobId")
    .select(["attempt.id", "job.instanceId"])
    .where("attempt.repository", "=", repository)
    .where("attempt.state", "!=", "committed")
    .where("attempt.sweptAt", "is", null)
    .where("job.kind", "=", "backup")
    .execute();
  return rows.flatMap(({ id, instanceId }) => (instanceId === null ? [] : [{ id, instanceId }]));
}
