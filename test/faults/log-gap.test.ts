import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Connection, RowDataPacket } from "mysql2/promise";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/config.ts";
import { startRestoredShop, waitForJob } from "../../src/demo/holdfast.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { HoldfastError } from "../../src/lib/errors.ts";
import { silentLog } from "../../src/lib/log.ts";
import { api } from "../../src/model/api/index.ts";
import type { Coverage, SegmentRef } from "../../src/model/backup.ts";
import { segmentKey } from "../../src/model/manifest.ts";
import { rebuildCatalogFrom } from "../../src/rebuild.ts";
import { expectNothingLeft, expectOnlyWholeBackups } from "../fixtures/invariants.ts";
import { until } from "../fixtures/log-collector.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

let world: HoldfastWorld;
let connection: Connection;

beforeAll(async () => {
  world = await startWorld({ shipEvery: "300ms", settings: { shipRetryMs: 500, keepReplacedMs: 0 } });
  connection = await world.connect();
  await connection.query("CREATE DATABASE shop");
  for (const table of ["first", "second", "third"]) await connection.query(`CREATE TABLE shop.${table} (id INT PRIMARY KEY AUTO_INCREMENT)`);
});

afterAll(async () => {
  await world.stop();
});

const insert = (table: string): Promise<unknown> => connection.query(`INSERT INTO shop.${table} () VALUES ()`);

async function restoreJob(path: string, allowGap: boolean): Promise<{ targetPath: string }> {
  const target = { kind: "directory" as const, path, start: false };
  const { job } = await world.client.call(api.restores.run, { instance: "shop", goal: { kind: "latest" }, allowGap, target });
  return (await waitForJob(world.client, job, world.signal)).result as { targetPath: string };
}

async function rowsOf(path: string): Promise<Record<string, number>> {
  const shop = await startRestoredShop(world, path);
  const found: Record<string, number> = {};
  for (const table of ["first", "second", "third"]) {
    const [rows] = await shop.connection.query<RowDataPacket[]>(`SELECT COUNT(*) AS n FROM shop.${table}`);
    found[table] = Number(rows[0]?.["n"]);
  }
  await shop.stop();
  return found;
}

describe("a stored piece of log that is lost", () => {
  let lost: SegmentRef;

  it("is a gap in the coverage that names the file and both positions", async () => {
    await world.holdfast.backUp("full");
    for (const table of ["first", "second", "third"]) {
      await insert(table);
      await connection.query("FLUSH BINARY LOGS");
    }
    await world.holdfast.waitUntilShipped(await world.logPosition());
    const { segments } = await world.holdfast.plan({ kind: "latest" });
    lost = segments.find(({ segment }) => segment.closesFile && segment.file.endsWith("000002"))!;
    const { segment, prefix } = lost;
    await world.stopUp();
    const keys = [`${prefix}${segment.object.name}`, `${prefix}${segment.index.name}`, segmentKey(segment.instanceId, segment.timeline, segment.segmentId)];
    for (const key of keys) await rm(join(world.repositoryPath, key));
    await rebuildCatalogFrom(parseConfig(world.yaml, world.configPath, {}), { repository: undefined, clock: systemClock, log: silentLog, signal: world.signal });
    await world.startUp();
    await world.client.call(api.system.thaw, { by: "test" });
    const { gaps } = await world.holdfast.coverage();
    expect(gaps).toHaveLength(1);
    expect(gaps[0]).toMatchObject({ after: { file: expect.stringContaining("000001") as unknown }, before: { file: expect.stringContaining("000003") as unknown } });
    expect(gaps[0]?.message).toMatch(/000001:\d+ to \S+000003:\d+.*is missing/);
  });

  it("refuses a restore across it with GAP before anything is written", async () => {
    const error = await restoreJob(join(world.rootDir, "across"), false).catch((thrown: unknown) => thrown as HoldfastError);
    expect(error).toMatchObject({ code: "GAP", message: expect.stringMatching(/000001|000003/) as unknown });
  });

  it("can be accepted: the plan says what is lost, and what comes after it is replayed", async () => {
    const { plan } = await world.client.call(api.restores.plan, { instance: "shop", goal: { kind: "latest" }, allowGap: true });
    expect(plan.gaps).toHaveLength(1);
    expect(plan.gaps[0]?.message).toMatch(/000001:\d+ to \S+000003:\d+/);
    expect(plan.warnings.join(" ")).toMatch(/lost|hole|gap/i);
    const { targetPath } = await restoreJob(join(world.rootDir, "gap"), true);
    expect(await rowsOf(targetPath)).toEqual({ first: 1, second: 0, third: 1 });
  });
});

describe("a log that the server purged before it was shipped", () => {
  let before: Coverage;

  it("raises a finding that names the missing file, and nothing is shipped as if it joined", async () => {
    before = await world.holdfast.coverage();
    await world.stopUp();
    for (let file = 0; file < 3; file += 1) {
      await insert("second");
      await connection.query("FLUSH BINARY LOGS");
    }
    const { file } = await world.logPosition();
    await connection.query(`PURGE BINARY LOGS TO '${file}'`);
    await world.startUp();
    const shipFailed = async () => (await world.client.call(api.system.findings, { all: true })).findings.find(({ kind }) => kind === "ship-failed");
    await until("shipping says so", async () => (await shipFailed()) !== undefined);
    expect((await shipFailed())?.message).toMatch(/mariadb-bin\.00000\d/);
    const { intervals } = await world.holdfast.coverage();
    const old = intervals.filter(({ timeline }) => timeline === before.intervals[0]?.timeline);
    expect(old).toEqual(before.intervals);
  });

  it("the next automatic backup is a full, from which every later instant can be reached again", async () => {
    const { job } = await world.client.call(api.backups.run, { instance: "shop", kind: "auto" });
    await waitForJob(world.client, job, world.signal);
    expect((await world.holdfast.newestBackup())?.kind).toBe("full");
    await insert("third");
    await world.holdfast.waitUntilShipped(await world.logPosition());
    const { targetPath } = await restoreJob(join(world.rootDir, "after"), false);
    expect(await rowsOf(targetPath)).toEqual({ first: 1, second: 4, third: 2 });
    await expectOnlyWholeBackups(world, world.client);
    await world.stopUp();
    expectNothingLeft(world);
  });
});
