import { findJob, listJobs, requestCancel, retryJob } from "../../catalog/jobs.ts";
import { requireInstance } from "../../control/instances-view.ts";
import { knockFor } from "../../control/knocks.ts";
import { withLiveProgress } from "../../control/status.ts";
import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import { isoTime } from "../../lib/clock.ts";
import { api } from "../../model/api/index.ts";
import type { Job } from "../../model/job.ts";
import type { ServerContext } from "../context.ts";
import { implement } from "../implement.ts";
import { readPage } from "../page.ts";

const { jobs } = api;

export const jobRoutes = [
  implement(jobs.list, async ({ instance: name, kind, state, ...page }, { dispatcher }) => {
    const { db } = dispatcher.ports.catalog;
    const instanceId = name === undefined ? undefined : (await requireInstance(db, name)).id;
    const { entries, next } = await readPage(jobs.list, page, { read: ({ after, limit }) => listJobs(db, { instanceId, kind, state, before: after, limit }), keyOf: ({ jobId }) => jobId });
    return { jobs: entries.map((job) => withLiveProgress(dispatcher.leases, job)), next };
  }),
  implement(jobs.show, async ({ jobId }, context) => ({ job: await showJob(context, jobId) })),
  implement(jobs.cancel, async ({ jobId }, context) => {
    await showJob(context, jobId);
    const { ports } = context.dispatcher;
    await requestCancel(ports.catalog.db, jobId, isoTime(ports.clock.nowMs()));
    return { job: await showJob(context, jobId) };
  }),
  implement(jobs.retry, async ({ jobId }, context) => {
    await showJob(context, jobId);
    const { ports } = context.dispatcher;
    await retryJob(ports.catalog.db, jobId);
    await knockFor(ports, jobId);
    return { job: await showJob(context, jobId) };
  }),
];

/** NOT_FOUND names the newest jobs. */
async function showJob({ dispatcher }: ServerContext, jobId: string): Promise<Job> {
  const { db } = dispatcher.ports.catalog;
  try {
    return withLiveProgress(dispatcher.leases, await findJob(db, jobId));
  } catch (error) {
    if (!isHoldfastError(error, "NOT_FOUND")) throw error;
    const newest = (await listJobs(db, { limit: 3 })).map((job) => `${job.jobId} (${job.kind})`);
    const there = newest.length === 0 ? "there is none yet" : `the newest are ${newest.join(", ")}`;
    throw new HoldfastError("NOT_FOUND", `There is no job ${jobId}; ${there}.`, { cause: error, hint: error.hint });
  }
}
