import { cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Backup } from "../../src/model/backup.ts";
import { api } from "../../src/model/api/index.ts";
import type { Job } from "../../src/model/job.ts";
import { type HoldfastProcess, startHoldfastProcess } from "../fixtures/holdfast-process.ts";
import { expectNoProcess, expectNothingLeft, expectOnlyWholeBackups, logLines, processesBelow, spinUntil, storedAttempts } from "../fixtures/invariants.ts";
import { until } from "../fixtures/log-collector.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";
import { readCatalog } from "../soak/catalog-copy.ts";

/** More than one pack of bytes that no compression makes smaller. */
const BLOBS = 90;
const BLOB_BYTES = 500_000;

let world: HoldfastWorld;
let up: HoldfastProcess;

beforeAll(async () => {
  world = await startWorld({ mariadbConfig: { max_allowed_packet: "64M", innodb_log_file_size: "128M" } });
  await world.stopUp();
  const connection = await world.connect();
  await connection.query("CREATE DATABASE shop");
  await connection.query("CREATE TABLE shop.blobs (id INT PRIMARY KEY AUTO_INCREMENT, body LONGBLOB)");
  await connection.query(`INSERT INTO shop.blobs (body) SELECT CONCAT(${Array.from({ length: BLOB_BYTES / 1_000 }, () => "RANDOM_BYTES(1000)").join(",")}) FROM mysql.help_topic LIMIT ${String(BLOBS)}`);
});

afterAll(async () => {
  await world.stop();
});

beforeEach(async () => {
  up = await startHoldfastProcess(world);
});

afterEach(async () => {
  await up.stop();
  expectNothingLeft(world);
});

/** Begins a full and gives the directory that its attempt will write to, from the moment there is one. */
async function begin(): Promise<{ jobId: string; attemptDir: () => string | undefined }> {
  const before = new Set(storedAttempts(world));
  const { job } = await up.client.call(api.backups.run, { instance: "shop", kind: "full" });
  return {
    jobId: job.jobId,
    attemptDir: () => {
      const instance = existsSync(world.repositoryPath) ? readdirSync(world.repositoryPath).find((name) => /^[0-9A-Z]{26}$/.test(name)) : undefined;
      const id = storedAttempts(world).find((attempt) => !before.has(attempt));
      return instance === undefined || id === undefined ? undefined : join(world.repositoryPath, instance, "backups", id);
    },
  };
}

/** SIGKILL in the moment that `seen` is true, then the next start. */
async function killWhen(what: string, seen: () => boolean): Promise<void> {
  spinUntil(what, seen);
  await up.kill9();
  await expectNoProcess(world);
  up = await startHoldfastProcess(world);
}

/**
 * SIGKILL in the moment that `seen` is true of an attempt's directory. A machine may be too busy for the kill to come
 * in time: then, when it is `late`, the attempt is left to end and another one is begun.
 */
async function killBackupWhen(what: string, seen: (dir: string) => boolean, late: (dir: string) => boolean): Promise<{ jobId: string }> {
  for (let tries = 1; ; tries += 1) {
    const { jobId, attemptDir } = await begin();
    spinUntil(what, () => seen(attemptDir() ?? ""));
    await up.kill9();
    await expectNoProcess(world);
    const isLate = late(attemptDir() ?? "");
    up = await startHoldfastProcess(world);
    if (!isLate) return { jobId };
    await until("the job that was met too late is done", async () => (await jobOf(jobId)).state === "succeeded");
    expect(tries).toBeLessThan(5);
  }
}

async function jobOf(jobId: string): Promise<Job> {
  return (await up.client.call(api.jobs.show, { jobId })).job;
}

async function list(): Promise<Backup[]> {
  return expectOnlyWholeBackups(world, up.client);
}

/** The attempt is lost and said to be, its scratch directory was named and removed, its job is due again. */
async function expectGivenUp(jobId: string): Promise<void> {
  const job = await jobOf(jobId);
  expect(job).toMatchObject({ state: "due", attempts: [{ state: "lost", error: { code: "LEASE_LOST" } }] });
  const { attemptId } = job.attempts[0]!;
  const named = (): boolean => logLines(world).some((line) => line["msg"] === "removed the scratch directory of a process that died" && line["attemptId"] === attemptId);
  await until("the scratch directory was removed and named", named);
  expect((await list()).map(({ backupId }) => backupId)).not.toContain(attemptId);
}

async function cancel(jobId: string): Promise<void> {
  await up.client.call(api.jobs.cancel, { jobId });
}

/** Attempts whose commit the log tells of. */
const committedAttempts = (): unknown[] => logLines(world).flatMap(({ msg, attemptId }) => (msg === "backup committed" ? [attemptId] : []));

/** What a dead process left in its catalog, read from a copy: reading the catalog itself would tidy up after the kill. */
function committedInCatalog(): string[] {
  const copy = join(world.rootDir, "copy");
  cpSync(join(world.rootDir, "state", "data"), join(copy, "data"), { recursive: true });
  const { attempts } = readCatalog(copy);
  rmSync(copy, { recursive: true });
  return attempts.flatMap(({ id, state }) => (state === "committed" ? [id] : []));
}

describe("kill -9 of Holdfast during a backup", () => {
  it("before the first pack, leaves no tool behind and makes the job due again", async () => {
    const { jobId } = await begin();
    await killWhen("the tool runs", () => processesBelow(world.rootDir).some((line) => line.includes("mariadb-backup")));
    await expectGivenUp(jobId);
    await cancel(jobId);
  });

  it("in the middle of the stream, leaves packs that count for nothing, and a new attempt of the job succeeds", async () => {
    const isThere = (name: string) => (dir: string) => existsSync(join(dir, name));
    const { jobId } = await killBackupWhen("the first pack is stored", isThere("000000.zst.age"), isThere("index.zst.age"));
    await expectGivenUp(jobId);
    await until("the job was done by another attempt", async () => (await jobOf(jobId)).state === "succeeded");
    const { attempts } = await jobOf(jobId);
    expect(attempts.map(({ state }) => state).toSorted()).toEqual(["committed", "lost"]);
    expect((await list()).map(({ jobId: of }) => of)).toContain(jobId);
  });

  it("after the last object and before the commit, leaves a whole set of objects that is no backup", async () => {
    const isThere = (name: string) => (dir: string) => existsSync(join(dir, name));
    const { jobId } = await killBackupWhen("the index is stored", isThere("index.zst.age"), isThere("manifest.json"));
    await expectGivenUp(jobId);
    await cancel(jobId);
  });

  it("between manifest and catalog, is finished at the next start from the manifest", async () => {
    for (let tries = 1; ; tries += 1) {
      const { jobId, attemptDir } = await begin();
      spinUntil("the manifest is stored", () => existsSync(join(attemptDir() ?? "", "manifest.json")));
      await up.kill9();
      const wasCommitted = committedInCatalog().includes(basename(attemptDir() ?? ""));
      up = await startHoldfastProcess(world);
      const job = await jobOf(jobId);
      expect(job).toMatchObject({ state: "succeeded", attempts: [{ attemptId: basename(attemptDir() ?? ""), state: "committed" }] });
      expect((await list()).map(({ backupId }) => backupId)).toContain(job.attempts[0]?.attemptId);
      if (!wasCommitted) {
        await until("the log tells of the commit", () => committedAttempts().includes(job.attempts[0]?.attemptId));
        break;
      }
      // The machine may be too busy for the kill to come in time.
      expect(tries).toBeLessThan(5);
    }
  });
});
