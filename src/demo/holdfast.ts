import { join } from "node:path";
import type { Connection } from "mysql2/promise";
import type { Client } from "../client/client.ts";
import { delay } from "../lib/clock.ts";
import { fromErrorRecord, HoldfastError } from "../lib/errors.ts";
import type { RunAs } from "../lib/process.ts";
import { api } from "../model/api/index.ts";
import type { Backup, Coverage } from "../model/backup.ts";
import type { Job } from "../model/job.ts";
import { comparePositions } from "../model/position.ts";
import { restoreResultSchema, type RestoreGoal, type RestorePlan, type RestoreResult } from "../model/restore.ts";
import type { VerificationReport } from "../model/verification.ts";
import { compareRows, type LedgerComparison } from "./ledger.ts";
import { readShop } from "./shop.ts";
import { startRestored } from "./source-server.ts";

const POLL_MS = 200;
const SHIP_LIMIT_MS = 120_000;

/** The instance `shop` as a client of the API sees it: the same calls that the CLI makes. */
export interface Holdfast {
  backUp(kind: "full" | "incremental"): Promise<Backup>;
  newestBackup(): Promise<Backup | undefined>;
  coverage(): Promise<Coverage>;
  /** Waits until the stored log reaches this place. */
  waitUntilShipped(place: { file: string; position: number }): Promise<void>;
  plan(goal: RestoreGoal): Promise<RestorePlan>;
  restore(goal: RestoreGoal, path: string): Promise<RestoreResult>;
  verify(backupId: string): Promise<VerificationReport>;
  reportPath(verificationId: string): string;
}

export function holdfastOf(client: Client, options: { instance: string; repositoryPath: string; signal: AbortSignal }): Holdfast {
  const { instance, signal } = options;
  const done = (job: Job): Promise<Job> => waitForJob(client, job, signal);
  const list = async (): Promise<Backup[]> => (await client.call(api.backups.list, { instance, limit: 100 }, signal)).backups;
  const coverage = async (): Promise<Coverage> => (await client.call(api.instances.coverage, { instance }, signal)).coverage;
  return {
    coverage,
    newestBackup: async () => (await list())[0],
    backUp: async (kind) => {
      const job = await done((await client.call(api.backups.run, { instance, kind }, signal)).job);
      const backup = (await list()).find(({ jobId }) => jobId === job.jobId);
      if (backup === undefined) throw new HoldfastError("INTERNAL", `job ${job.jobId} succeeded without a backup`);
      return backup;
    },
    waitUntilShipped: async (place) => {
      for (let waitedMs = 0; waitedMs < SHIP_LIMIT_MS; waitedMs += POLL_MS) {
        const reached = (await coverage()).intervals.at(-1)?.to;
        if (reached !== undefined && comparePositions(reached, place) >= 0) return;
        await delay(POLL_MS, signal);
      }
      throw new HoldfastError("TIMEOUT", `the log did not reach ${place.file}:${String(place.position)} within ${String(SHIP_LIMIT_MS / 1_000)} s`);
    },
    plan: async (goal) => (await client.call(api.restores.plan, { instance, goal, allowGap: false }, signal)).plan,
    restore: async (goal, path) => {
      const { job } = await client.call(api.restores.run, { instance, goal, allowGap: false, target: { kind: "directory", path, start: false } }, signal);
      return restoreResultSchema.parse((await done(job)).result);
    },
    verify: async (backupId) => {
      await done((await client.call(api.backups.verify, { backupId, tier: "T4" }, signal)).job);
      const { reports } = await client.call(api.backups.show, { backupId }, signal);
      const newest = reports.toSorted((a, b) => (a.verificationId < b.verificationId ? 1 : -1))[0];
      if (newest === undefined) throw new HoldfastError("INTERNAL", `the verification of ${backupId} left no report`);
      return newest;
    },
    reportPath: (verificationId) => join(options.repositoryPath, "_control", "verifications", `${verificationId}.json`),
  };
}

/** Waits until a job has ended; throws its error unless it succeeded. */
export async function waitForJob(client: Client, job: Job, signal: AbortSignal): Promise<Job> {
  let now = job;
  while (now.state === "due" || now.state === "running" || now.state === "committing") {
    await delay(POLL_MS, signal);
    now = (await client.call(api.jobs.show, { jobId: job.jobId }, signal)).job;
  }
  if (now.state === "succeeded") return now;
  throw now.error === null ? new HoldfastError("CANCELLED", `job ${job.jobId} was cancelled`) : fromErrorRecord(now.error);
}

/** A server on a restored directory, with a connection to it. */
export async function startRestoredShop(world: { rootDir: string; signal: AbortSignal; owner?: RunAs }, dataDir: string): Promise<{ connection: Connection; stop: () => Promise<void> }> {
  const server = await startRestored(dataDir, world.rootDir, world.owner);
  const connection = await server.connect();
  return {
    connection,
    stop: async () => {
      await connection.end();
      await server.stop();
    },
  };
}

/** The rows that a plain server finds in a restored directory beside those that should be there. */
export async function compareRestored(world: Parameters<typeof startRestoredShop>[0], dataDir: string, expected: ReadonlyMap<number, string>): Promise<LedgerComparison> {
  const shop = await startRestoredShop(world, dataDir);
  try {
    return compareRows(expected, await readShop(shop.connection));
  } finally {
    await shop.stop();
  }
}
