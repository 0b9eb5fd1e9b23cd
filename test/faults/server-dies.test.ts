import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareRestored, waitForJob } from "../../src/demo/holdfast.ts";
import { Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop } from "../../src/demo/shop.ts";
import { api } from "../../src/model/api/index.ts";
import type { Job } from "../../src/model/job.ts";
import { expectNoTool, expectNothingLeft, expectOnlyWholeBackups, processesBelow } from "../fixtures/invariants.ts";
import { until } from "../fixtures/log-collector.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

let world: HoldfastWorld;
const ledger = new Ledger();
let nextId = 1;

beforeAll(async () => {
  world = await startWorld({ shipEvery: "300ms", settings: { maxAttempts: 1, shipRetryMs: 300 }, mariadbConfig: { innodb_log_file_size: "96M" } });
  await createShop(await world.connect());
  await write(2_000);
});

afterAll(async () => {
  await world.stop();
});

async function write(count: number): Promise<void> {
  const connection = await world.connect();
  await fillShop(connection, ledger, { firstId: nextId, count });
  nextId += count;
}

async function expectLedgerComesBack(): Promise<void> {
  await world.holdfast.waitUntilShipped(await world.logPosition());
  const { targetPath } = await world.holdfast.restore({ kind: "latest" }, join(world.rootDir, `r${String(nextId)}`));
  const comparison = await compareRestored(world, targetPath, ledger.stateAt(ledger.entries().at(-1)?.gtid ?? ""));
  expect(comparison.differences).toEqual([]);
  expect(comparison.comparedRows).toBe(nextId - 1);
}

async function start(): Promise<Job> {
  return (await world.client.call(api.backups.run, { instance: "shop", kind: "full" })).job;
}

const toolRuns = (): boolean => processesBelow(world.rootDir).some((line) => line.includes("mariadb-backup --defaults-file"));

describe("MariaDB killed in the middle of a backup", () => {
  it("fails the backup, leaves no tool, and the next one after its recovery is whole and complete", async () => {
    const job = await start();
    await until("the tool runs", toolRuns);
    await world.mariadb.kill9();
    await expect(waitForJob(world.client, job, world.signal)).rejects.toMatchObject({ name: "HoldfastError" });
    expect(await expectOnlyWholeBackups(world, world.client)).toEqual([]);
    await expectNoTool(world);
    const { findings } = await world.client.call(api.system.findings, { all: false });
    expect(findings.map(({ kind }) => kind)).toContain("backup-failed");
    await world.mariadb.restart();
    await world.holdfast.backUp("full");
    await write(300);
    await expectLedgerComesBack();
  });
});

describe("MariaDB restarted while its log is shipped", () => {
  it("is followed again by itself, without a gap, and the finding closes", async () => {
    await world.mariadb.restart();
    await write(300);
    await world.mariadb.kill9();
    await world.mariadb.restart();
    await write(300);
    await expectLedgerComesBack();
    const { gaps, intervals } = await world.holdfast.coverage();
    expect({ gaps, intervals: intervals.length }).toEqual({ gaps: [], intervals: 1 });
    await until("the finding closes", async () => (await world.client.call(api.system.findings, { all: false })).findings.length === 0);
  });
});

describe("a configuration applied in the middle of a backup", () => {
  it("neither stops nor spoils it, and holds for the next one", async () => {
    const job = await start();
    await until("the tool runs", toolRuns);
    const yaml = world.yaml.replace("repository: main", "repository: main\n    compressionLevel: 1\n    rowCounts: none").replace("timeZone: Europe/Berlin", "timeZone: Asia/Tokyo");
    const { changes } = await world.client.call(api.system.apply, { yaml, sourceName: world.configPath, dryRun: false });
    expect(changes.filter(({ change }) => change === "changed").map(({ name }) => name)).toEqual(["test", "shop"]);
    expect((await waitForJob(world.client, job, world.signal)).state).toBe("succeeded");
    const report = await world.holdfast.verify((await world.holdfast.newestBackup())?.backupId ?? "");
    expect(report.checks.find(({ name }) => name === "exact row counts")?.status).toBe("passed");
    const next = await world.holdfast.backUp("full");
    const after = await world.holdfast.verify(next.backupId);
    expect(after.checks.find(({ name }) => name === "exact row counts")?.status).not.toBe("passed");
    await expectOnlyWholeBackups(world, world.client);
    await world.stopUp();
    expectNothingLeft(world);
  });
});
