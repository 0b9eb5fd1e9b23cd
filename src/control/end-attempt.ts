import { type AttemptRow, moveAttempt } from "../catalog/attempts.ts";
import { getJobRow, type JobPatch, type JobRow, moveJob } from "../catalog/jobs.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { isoTime } from "../lib/clock.ts";
import { type ErrorRecord, fromErrorRecord } from "../lib/errors.ts";
import type { JobState } from "../model/job.ts";
import { clear, raise } from "./findings.ts";
import type { ControlPorts, ControlSettings } from "./ports.ts";
import { endTimelineAfter } from "./timelines.ts";

type Ports = Pick<ControlPorts, "clock" | "newId" | "log">;

const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 5 * 60_000;

/** How long a job waits after its n-th attempt came to nothing: doubling, up to five minutes. */
export function retryPauseMs(attemptCount: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** Math.max(attemptCount - 1, 0), LONGEST_PAUSE_MS);
}

/**
 * What becomes of a job whose attempt came to nothing. Shipping is tried for ever while trying can help; a restore is
 * tried once, because what it left at its target is for a person to judge.
 */
export function afterFailure(job: Pick<JobRow, "kind" | "attemptCount" | "cancelRequested">, mayHelp: boolean, maxAttempts: number): "cancelled" | "due" | "failed" {
  if (job.cancelRequested !== 0) return "cancelled";
  if (!mayHelp || job.kind === "restore") return "failed";
  return job.kind === "ship" || job.attemptCount < maxAttempts ? "due" : "failed";
}

/** What findings about a job's kind are about: its instance, or itself when it has none. */
export function jobSubject(job: Pick<JobRow, "id" | "instanceId">): string {
  return job.instanceId === null ? `job:${job.id}` : `instance:${job.instanceId}`;
}

/**
 * Ends an attempt that came to nothing and decides what becomes of its job; call it in a transaction. The state the
 * job is in afterwards; null when the attempt had ended before.
 */
export async function failAttempt(
  ports: Ports,
  db: CatalogDb,
  attempt: Pick<AttemptRow, "id" | "jobId" | "timeline">,
  end: { to: "failed" | "lost"; error: ErrorRecord; settings: Pick<ControlSettings, "maxAttempts"> },
): Promise<JobState | null> {
  const nowMs = ports.clock.nowMs();
  const error = JSON.stringify(end.error);
  if (!(await moveAttempt(db, attempt.id, { from: ["running"], to: end.to, patch: { endedAt: isoTime(nowMs), error } }))) return null;
  const job = await getJobRow(db, attempt.jobId);
  if (job.instanceId !== null && (job.kind === "ship" || job.kind === "backup")) {
    await endTimelineAfter(ports, db, { instanceId: job.instanceId, timeline: attempt.timeline, code: end.error.code });
  }
  // A lost attempt says nothing about the work itself.
  const mayHelp = end.to === "lost" || fromErrorRecord(end.error).row.retry;
  const to = afterFailure(job, mayHelp, end.settings.maxAttempts);
  const patch = to === "due" ? { ...nextTry(job, end.to, nowMs), error } : { endedAt: isoTime(nowMs), error };
  await moveJob(db, job.id, { from: ["running"], to, patch });
  ports.log.warn({ jobId: job.id, attemptId: attempt.id, kind: job.kind, job: to, code: end.error.code }, end.error.message);
  // Shipping that must be tried again and again is behind already.
  if (to === "failed" || (to === "due" && job.kind === "ship" && job.attemptCount >= end.settings.maxAttempts)) await raiseFailure(ports, db, job, end.error);
  return to;
}

/**
 * Nor does a process that died for the seventh time make the log wait five minutes. Shipping, which is tried for ever,
 * does not even count its deaths: the failure after them is the first.
 */
function nextTry({ kind, attemptCount }: Pick<JobRow, "kind" | "attemptCount">, to: "failed" | "lost", nowMs: number): JobPatch {
  if (to === "failed") return { notBeforeMs: nowMs + retryPauseMs(attemptCount) };
  return { notBeforeMs: nowMs + FIRST_PAUSE_MS, ...(kind === "ship" ? { attemptCount: Math.max(attemptCount - 1, 0) } : {}) };
}

async function raiseFailure(ports: Ports, db: CatalogDb, job: JobRow, error: ErrorRecord): Promise<void> {
  const message = `${job.kind === "ship" ? "Log shipping" : `The ${job.kind} job ${job.id}`} failed: ${error.message}`;
  await raise(ports, db, { kind: `${job.kind}-failed`, subject: jobSubject(job), severity: job.kind === "probe" || job.kind === "reseal" ? "warning" : "critical", message, remedy: error.hint });
}

/** Fails a due job that could not even be ordered. */
export async function failDueJob(ports: Ports, db: CatalogDb, job: JobRow, error: ErrorRecord): Promise<void> {
  const patch = { endedAt: isoTime(ports.clock.nowMs()), error: JSON.stringify(error) };
  if (await moveJob(db, job.id, { from: ["due"], to: "failed", patch })) await raiseFailure(ports, db, job, error);
}

/** Ends an attempt that was told to stop; its job is cancelled when somebody asked for that, else due again (its agent stopped). */
export async function cancelAttempt(ports: Ports, db: CatalogDb, attempt: Pick<AttemptRow, "id" | "jobId">): Promise<JobState | null> {
  const nowMs = ports.clock.nowMs();
  if (!(await moveAttempt(db, attempt.id, { from: ["running"], to: "cancelled", patch: { endedAt: isoTime(nowMs) } }))) return null;
  const job = await getJobRow(db, attempt.jobId);
  const to = job.cancelRequested !== 0 ? "cancelled" : "due";
  const patch = to === "due" ? { attemptCount: Math.max(job.attemptCount - 1, 0) } : { endedAt: isoTime(nowMs) };
  await moveJob(db, job.id, { from: ["running"], to, patch });
  return to;
}

/** Ends an attempt and its job well, with a result; call it in a transaction. False when the attempt had ended before. */
export async function succeedAttempt(ports: Ports, db: CatalogDb, attempt: Pick<AttemptRow, "id" | "jobId">, result: unknown): Promise<boolean> {
  const endedAt = isoTime(ports.clock.nowMs());
  const moved = await moveAttempt(db, attempt.id, { from: ["running", "committing"], to: "committed", patch: { endedAt } });
  if (!moved) return false;
  const job = await getJobRow(db, attempt.jobId);
  await moveJob(db, job.id, { from: ["running", "committing"], to: "succeeded", patch: { endedAt, result: JSON.stringify(result ?? null), error: null } });
  await clear(ports, db, { kind: `${job.kind}-failed`, subject: jobSubject(job) });
  return true;
}
