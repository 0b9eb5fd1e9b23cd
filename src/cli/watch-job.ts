import type { Client } from "../client/client.ts";
import { delay } from "../lib/clock.ts";
import { fromErrorRecord, HoldfastError } from "../lib/errors.ts";
import { formatBytes, formatDuration } from "../lib/units.ts";
import { api } from "../model/api/index.ts";
import { type Job, jobSchema, type Progress } from "../model/job.ts";
import type { CommandContext } from "./command.ts";

export function progressLine(progress: Progress): string {
  const { phase, doneBytes, totalBytes, rateInBytesPerS, rateOutBytesPerS, etaMs, spoolBytes, message } = progress;
  const parts = [phase];
  if (doneBytes > 0) parts.push(totalBytes === null ? formatBytes(doneBytes) : `${formatBytes(doneBytes)} of about ${formatBytes(totalBytes)}`);
  if (rateInBytesPerS > 0) parts.push(`${formatBytes(rateInBytesPerS)}/s`);
  if (spoolBytes !== undefined) parts.push(`${formatBytes(rateOutBytesPerS)}/s stored`, `${formatBytes(spoolBytes)} in the spool`);
  if (etaMs !== null && etaMs > 0) parts.push(`${formatDuration(etaMs)} left`);
  if (message !== "") parts.push(message);
  return parts.join(" · ");
}

const hasEnded = (job: Job): boolean => job.state === "succeeded" || job.state === "failed" || job.state === "cancelled";

/** Shows a job's progress until it has ended; throws its error unless it succeeded. */
export async function watchJob(context: CommandContext, client: Client, started: Job): Promise<Job> {
  let job = started;
  const states = hasEnded(job) ? [] : statesOf(context, client, job.jobId);
  for await (const state of states) {
    job = state;
    if (hasEnded(job)) break;
    const progress = job.attempts.at(-1)?.progress;
    context.output.progress(progress ? progressLine(progress) : `job ${job.jobId} is ${job.state}`);
  }
  if (job.state === "succeeded") return job;
  if (job.error !== null) throw fromErrorRecord({ ...job.error, details: { ...job.error.details, jobId: job.jobId } });
  throw new HoldfastError("CANCELLED", `Job ${job.jobId} was cancelled.`, { hint: `\`holdfast job retry ${job.jobId}\` runs it again.` });
}

/** As the server tells them and, when it cannot or stops to, as they are asked for now and then. */
async function* statesOf(context: CommandContext, client: Client, jobId: string): AsyncGenerator<Job> {
  try {
    for await (const { event, data } of client.events?.({ jobId }, context.signal) ?? []) if (event === "job") yield jobSchema.parse(data);
  } catch {
    // Whatever it was: asking tells it better, if it has not passed.
  }
  for (;;) yield await nextState(context, client, jobId);
}

async function nextState(context: CommandContext, client: Client, jobId: string): Promise<Job> {
  try {
    await delay(context.pollMs, context.signal);
    return (await client.call(api.jobs.show, { jobId }, context.signal)).job;
  } catch (cause) {
    if (!context.signal.aborted) throw cause;
    throw new HoldfastError("CANCELLED", `Stopped watching job ${jobId}.`, { cause, hint: `If \`holdfast up\` runs the job, it goes on; \`holdfast job cancel ${jobId}\` ends it.` });
  }
}
