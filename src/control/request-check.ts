import { listInstances } from "../catalog/instances.ts";
import { findJob, getJobRow, listJobs, paramsOf, retryJob, setJobParams } from "../catalog/jobs.ts";
import { readBy } from "../catalog/object-checks.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { CheckDepth, Extent, Sample } from "../model/check.ts";
import type { JobParams } from "../model/job-params.ts";
import type { Job } from "../model/job.ts";
import { submitJob } from "./dispatch.ts";
import { knockFor } from "./knocks.ts";
import type { ControlPorts } from "./ports.ts";
import { requireRepository } from "./requests.ts";

export interface CheckRequest {
  readonly repository: string;
  readonly depth: CheckDepth;
  readonly share?: number | undefined;
  readonly seed?: string | undefined;
  readonly rateBytesPerS?: number | undefined;
  readonly fresh?: boolean | undefined;
}

type CheckParams = Extract<JobParams, { kind: "check" }>;

/** What was read longer ago than this says too little about today: a check that was cut short then is begun anew. */
const CONTINUE_WITHIN_MS = 7 * 24 * 3_600_000;
const JOBS_LOOKED_AT = 50;

/**
 * Starts a check of a repository, or goes on with the newest one of the same kind that was cut short; NOT_FOUND names
 * the repositories there are. `continued` tells what that one has read.
 */
export async function requestCheck(ports: ControlPorts, request: CheckRequest): Promise<{ job: Job; continued: Extent | null }> {
  const { db } = ports.catalog;
  const { repository, depth, share, rateBytesPerS } = request;
  await requireRepository(db, repository);
  if ((await listInstances(db)).length === 0) throw new HoldfastError("REFUSED", `Repository ${repository} holds nothing yet: no instance is configured.`);
  const cutShort = request.fresh === true ? null : await cutShortCheck(ports, request);
  if (cutShort !== null) return goOn(ports, cutShort, request);
  const sample: Sample | null = share === undefined ? null : { share, seed: request.seed ?? ports.newId() };
  const params: CheckParams = { kind: "check", repository, depth, sample, rateBytesPerS: rateBytesPerS ?? null };
  const job = await submitJob(ports, { params, instanceId: null, policy: null, subject: subjectOf(params) });
  return { job, continued: null };
}

function subjectOf({ repository, depth, sample }: CheckParams): string {
  return sample === null ? `${depth} of ${repository}` : `${depth} of ${String(Number((sample.share * 100).toFixed(4)))} % of ${repository}`;
}

/** The newest check of this repository, unless it came to its end, is of another kind, or lies too long back. */
async function cutShortCheck(ports: ControlPorts, request: CheckRequest): Promise<Job | null> {
  const { db } = ports.catalog;
  for (const job of await listJobs(db, { kind: "check", limit: JOBS_LOOKED_AT })) {
    const params = paramsOf(await getJobRow(db, job.jobId));
    if (params.kind !== "check" || params.repository !== request.repository || !isAlike(params, request)) continue;
    if (job.state === "succeeded" || ports.clock.nowMs() - Date.parse(job.createdAt) > CONTINUE_WITHIN_MS) return null;
    const hasEnded = job.state === "failed" || job.state === "cancelled";
    return hasEnded && (await readBy(db, request.repository, job.jobId)).objects === 0 ? null : job;
  }
  return null;
}

function isAlike(params: CheckParams, { depth, share, seed }: CheckRequest): boolean {
  return params.depth === depth && (params.sample?.share ?? null) === (share ?? null) && (seed === undefined || params.sample?.seed === seed);
}

/** Runs it again when it has ended; what is asked of its speed now counts from its next attempt on. */
async function goOn(ports: ControlPorts, { jobId }: Job, request: CheckRequest): Promise<{ job: Job; continued: Extent }> {
  await inTransaction(ports.catalog.db, async (db) => {
    const row = await getJobRow(db, jobId);
    const params = paramsOf(row);
    if (params.kind === "check") await setJobParams(db, jobId, { ...params, rateBytesPerS: request.rateBytesPerS ?? null });
    if (row.state === "failed" || row.state === "cancelled") await retryJob(db, jobId);
  });
  await knockFor(ports, jobId);
  return { job: await findJob(ports.catalog.db, jobId), continued: await readBy(ports.catalog.db, request.repository, jobId) };
}
