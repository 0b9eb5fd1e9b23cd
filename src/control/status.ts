import { backupTotals } from "../catalog/backups.ts";
import { listFindings } from "../catalog/findings.ts";
import { listJobs } from "../catalog/jobs.ts";
import { listRepositories } from "../catalog/repositories.ts";
import { pieceTotals } from "../catalog/segments.ts";
import { isoTime } from "../lib/clock.ts";
import type { InstanceSummary } from "../model/api/instances.ts";
import type { RepositorySummary } from "../model/api/system.ts";
import type { Frozen } from "../model/frozen.ts";
import type { Job } from "../model/job.ts";
import type { Finding } from "../model/verification.ts";
import { frozenNow } from "./frozen.ts";
import { summarizeAll } from "./instances-view.ts";
import type { Leases } from "./leases.ts";
import type { ControlPorts } from "./ports.ts";

export interface Status {
  readonly now: string;
  readonly version: string;
  readonly signingKeyFingerprint: string;
  /** Null unless nothing is scheduled and nothing deleted. */
  readonly frozen: Frozen | null;
  readonly instances: InstanceSummary[];
  readonly repositories: RepositorySummary[];
  readonly running: Job[];
  readonly findings: Finding[];
}

const JOBS_SHOWN = 200;

/** One page: what is protected, how far back, what is running, what is wrong. */
export async function readStatus(ports: ControlPorts, leases: Leases, version: string): Promise<Status> {
  const { db } = ports.catalog;
  const running = [...(await listJobs(db, { state: "running", limit: JOBS_SHOWN })), ...(await listJobs(db, { state: "committing", limit: JOBS_SHOWN }))];
  return {
    now: isoTime(ports.clock.nowMs()),
    version,
    signingKeyFingerprint: ports.signer.fingerprint,
    frozen: await frozenNow(db),
    instances: await summarizeAll(db),
    repositories: await summarizeRepositories(ports),
    running: running.map((job) => withLiveProgress(leases, job)),
    findings: await listFindings(db, { all: false }),
  };
}

async function summarizeRepositories(ports: ControlPorts): Promise<RepositorySummary[]> {
  const { db } = ports.catalog;
  const summaries: RepositorySummary[] = [];
  for (const { name, kind, repositoryId } of await listRepositories(db)) {
    const backups = await backupTotals(db, { repository: name });
    const pieces = await pieceTotals(db, name);
    const place = ports.storages.get(name)?.describe() ?? "not open";
    summaries.push({ name, kind, place, repositoryId: repositoryId ?? "", backupCount: backups.count, storedBytes: backups.storedBytes + pieces.storedBytes });
  }
  return summaries;
}

/** The catalog gets progress in batches; the newest is in memory. */
export function withLiveProgress(leases: Pick<Leases, "progress">, job: Job): Job {
  return { ...job, attempts: job.attempts.map((attempt) => ({ ...attempt, progress: (attempt.endedAt === null ? leases.progress(attempt.attemptId) : null) ?? attempt.progress })) };
}
