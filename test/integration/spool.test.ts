import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { RowDataPacket } from "mysql2/promise";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { waitForJob } from "../../src/demo/holdfast.ts";
import { delay } from "../../src/lib/clock.ts";
import type { HoldfastError } from "../../src/lib/errors.ts";
import { api } from "../../src/model/api/index.ts";
import type { Backup } from "../../src/model/backup.ts";
import type { Job, Progress } from "../../src/model/job.ts";
import { HeldRepository } from "../fixtures/held-repository.ts";
import { expectNoTool, expectOnlyWholeBackups } from "../fixtures/invariants.ts";
import { until } from "../fixtures/log-collector.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

const MIB = 1024 ** 2;
const REDO_BYTES = 8 * MIB;
/**
 * How often the server writes its redo log over while the repository takes nothing. By experiment (MariaDB 10.11) a tool
 * that is held back fails from about 1.2 times on; a time would depend on how fast the machine is just then.
 */
const REDO_ROUNDS = 3;
/** More than memory and pipes hold, and nothing that compresses: without a spool the tool must wait. */
const ROWS = 52_000;

const repository = new HeldRepository();
let world: HoldfastWorld;
let writing = true;
let writer: Promise<void>;

beforeAll(async () => {
  world = await startWorld({
    mariadbConfig: { innodb_log_file_size: String(REDO_BYTES), innodb_flush_log_at_trx_commit: "0", sync_binlog: "0" },
    agent: "{ bufferBytes: 32MiB, spoolBytes: 1GiB }",
    wrapStorage: repository.wrap,
    settings: { maxAttempts: 1 },
  });
  const connection = await world.connect();
  for (const sql of [
    "CREATE DATABASE s",
    "USE s",
    "CREATE TABLE still (id INT PRIMARY KEY AUTO_INCREMENT, b BLOB)",
    "CREATE TABLE busy LIKE still",
    "CREATE TABLE old (a INT) ENGINE=MyISAM",
    `INSERT INTO still (b) SELECT RANDOM_BYTES(1000) FROM seq_1_to_${String(ROWS)}`,
    "INSERT INTO busy (b) SELECT RANDOM_BYTES(1000) FROM seq_1_to_1000",
  ]) {
    await connection.query(sql);
  }
  writer = steadyWriter();
});

afterEach(() => {
  repository.release();
});

afterAll(async () => {
  writing = false;
  await writer;
  await world.stop();
});

/** About 2 MB of redo per second. */
async function steadyWriter(): Promise<void> {
  const connection = await world.connect();
  while (writing) {
    await connection.query("UPDATE s.busy SET b = RANDOM_BYTES(1000) WHERE id <= 200");
    await delay(150);
  }
}

async function redoWritten(): Promise<number> {
  const connection = await world.connect();
  const [rows] = await connection.query<RowDataPacket[]>("SHOW GLOBAL STATUS LIKE 'Innodb_lsn_current'");
  connection.destroy();
  return Number(rows[0]?.["Value"]);
}

async function restartWith(change: (yaml: string) => string): Promise<void> {
  await world.stopUp();
  await world.startUp(change(world.yaml));
}

const startBackup = async (): Promise<Job> => (await world.client.call(api.backups.run, { instance: "shop", kind: "full" })).job;
const ended = (job: Job): Promise<Job> => waitForJob(world.client, job, world.signal);
const failureOf = (job: Job): Promise<HoldfastError> =>
  ended(job).then(
    () => {
      throw new Error("the backup was believed");
    },
    (error: unknown) => error as HoldfastError,
  );

/** Holds the repository until the server has gone round its redo log a few times and the job is so far; gives every progress that was told. */
async function holdForRounds(job: Job, isSoFar: (told: Progress | undefined) => boolean = () => true): Promise<Progress[]> {
  await until("a pack waits at the repository", () => repository.waited.length > 0);
  const startedAt = await redoWritten();
  const told: Progress[] = [];
  while ((await redoWritten()) - startedAt < REDO_ROUNDS * REDO_BYTES || !isSoFar(told.at(-1))) {
    const { progress } = (await world.client.call(api.jobs.show, { jobId: job.jobId })).job.attempts.at(-1) ?? {};
    if (progress) told.push(progress);
    await delay(250);
  }
  repository.release();
  return told;
}

/** Nothing of an attempt lies in the state directory any more. */
async function expectNoSpool(): Promise<void> {
  const scratch = join(world.rootDir, "state", "scratch");
  await until("the scratch space is empty", () => !existsSync(scratch) || readdirSync(scratch).every((name) => existsSync(join(scratch, name, "w")) && !existsSync(join(scratch, name, "w", "spool"))));
}

const backups = (): Promise<Backup[]> => expectOnlyWholeBackups(world, world.client);

it("commits a backup although the repository takes nothing while the server goes round its redo log, thanks to the spool", async () => {
  repository.hold();
  const job = await startBackup();
  const told = await holdForRounds(job, (progress) => progress?.phase === "storing");
  const done = await ended(job);
  // The tool was not held back: it had ended before the repository took the first byte.
  expect(told.at(-1)).toMatchObject({ phase: "storing", rateOutBytesPerS: 0 });
  expect(Math.max(...told.map(({ spoolBytes }) => spoolBytes ?? 0))).toBeGreaterThan(32 * MIB);
  const [backup] = await backups();
  expect(backup?.jobId).toBe(done.jobId);
  await expectNoSpool();
  expect((await world.holdfast.verify(backup?.backupId ?? "")).status).toBe("passed");
});

it("with too small a spool ends the backup, and says both rates, the spool's size and the server's redo capacity", async () => {
  await restartWith((yaml) => yaml.replace("spoolBytes: 1GiB", "spoolBytes: 20MiB"));
  const before = await backups();
  repository.hold();
  const error = await failureOf(await startBackup());
  expect(error).toMatchObject({
    code: "BUFFER_EXHAUSTED",
    message: expect.stringMatching(/^Repository main was too slow .* the server gave [\d.]+ MiB \([\d.]+ \w+\/s\) and 0 B of ciphertext were stored \(0 B\/s\), .*spool of 20\.0 MiB \(agent\.spoolBytes\) were full; .* redo log of 8\.00 MiB \(innodb_log_file_size\)/) as unknown,
    hint: expect.stringContaining("Raise agent.spoolBytes") as unknown,
  });
  await expectNoTool(world);
  await expectNoSpool();
  expect(await backups()).toEqual(before);
});

it("without a spool the tool is held back, and fails because the server has written its redo log over", async () => {
  await restartWith((yaml) => yaml.replace("spoolBytes: 1GiB", "spoolBytes: 0B"));
  const before = await backups();
  repository.hold();
  const job = await startBackup();
  await holdForRounds(job);
  expect(await failureOf(job)).toMatchObject({ code: "TOOL_FAILED", message: expect.stringContaining("Was only able to copy log from") as unknown, hint: expect.stringContaining("innodb_log_file_size") as unknown });
  expect(await backups()).toEqual(before);
});

it("ends a backup whose tool waits for its lock, and makes others wait, for longer than lockMax", async () => {
  await restartWith((yaml) => yaml.replace(/( +)repository: main\n/, "$&$1lockMax: 2s\n"));
  const [blocker, other] = [await world.connect(), await world.connect()];
  const blocking = blocker.query("INSERT INTO s.old SELECT SLEEP(300)").catch(() => undefined);
  const error = await failureOf(await startBackup());
  expect(error).toMatchObject({ code: "LOCK_TOO_LONG", message: expect.stringMatching(/for 2\.0 s \(lockMax\), last in BACKUP STAGE BLOCK_/) as unknown });
  await expectNoTool(world);
  // The statement that was in the way still runs, and others do again.
  await other.query("CREATE TABLE s.later (a INT PRIMARY KEY)");
  const [rows] = await other.query<RowDataPacket[]>("SELECT id FROM information_schema.processlist WHERE info LIKE 'INSERT INTO s.old%'");
  expect(rows).toHaveLength(1);
  await other.query(`KILL ${String(rows[0]?.["id"])}`);
  await blocking;
});
