import type { Job } from "../model/job.ts";
import { type Column, printable, table } from "./text.ts";
import { progressLine } from "./watch-job.ts";

const COLUMNS: readonly Column[] = [
  { title: "job" },
  { title: "kind" },
  { title: "instance", shrink: true },
  { title: "subject", shrink: true },
  { title: "state" },
  { title: "created (utc)", spare: 1 },
  { title: "attempts", align: "right", spare: 2 },
  { title: "error", shrink: true },
];

export function jobTable(jobs: readonly Job[], width: number): string {
  if (jobs.length === 0) return "No jobs.";
  return table(
    COLUMNS,
    jobs.map((job) => [job.jobId, job.kind, job.instanceName ?? "", job.subject, job.state, job.createdAt.slice(0, 19).replace("T", " "), String(job.attempts.length), job.error?.code ?? ""]),
    width,
  );
}

export function jobText(job: Job, width: number): string {
  const attempts = job.attempts.map((attempt) => {
    const end = attempt.endedAt === null ? (attempt.progress ? progressLine(attempt.progress) : "") : `ended ${attempt.endedAt}`;
    const error = attempt.error === null ? "" : `\n    ${printable(attempt.error.message)} [${attempt.error.code}]`;
    return `  ${String(attempt.number)}. ${attempt.attemptId} by ${attempt.agent}: ${attempt.state}, began ${attempt.startedAt} ${end}${error}`;
  });
  const error = job.error === null ? [] : [`${printable(job.error.message)} [${job.error.code}]\n  → ${printable(job.error.hint)}`];
  return [jobTable([job], width), `Attempts\n${attempts.length === 0 ? "  none yet" : attempts.join("\n")}`, ...error].join("\n\n");
}
