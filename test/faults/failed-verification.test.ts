import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitForJob } from "../../src/demo/holdfast.ts";
import { Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop } from "../../src/demo/shop.ts";
import { toolFile } from "../../src/engines/mysql/tools.ts";
import { api } from "../../src/model/api/index.ts";
import type { Backup } from "../../src/model/backup.ts";
import type { Finding, VerificationReport, VerificationResult } from "../../src/model/verification.ts";
import { expectNothingLeft, expectOnlyWholeBackups } from "../fixtures/invariants.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

let world: HoldfastWorld;
let good: Backup;
let bad: Backup;
const pathBefore = process.env["PATH"];

beforeAll(async () => {
  world = await startWorld({ shipEvery: "300ms", settings: { maxAttempts: 1 } });
  const connection = await world.connect();
  await createShop(connection);
  await fillShop(connection, new Ledger(), { firstId: 1, count: 500 });
  good = await world.holdfast.backUp("full");
  bad = await world.holdfast.backUp("full");
  await world.holdfast.waitUntilShipped(await world.logPosition());
});

afterAll(async () => {
  process.env["PATH"] = pathBefore;
  await world.stop();
});

async function verify(backup: Backup): Promise<VerificationResult> {
  const { job } = await world.client.call(api.backups.verify, { backupId: backup.backupId, tier: "T4" });
  return (await waitForJob(world.client, job, world.signal)).result as VerificationResult;
}

async function findings(): Promise<Finding[]> {
  return (await world.client.call(api.system.findings, { all: false })).findings;
}

async function verdictOf({ backupId }: Backup): Promise<string | undefined> {
  return (await world.client.call(api.backups.list, { limit: 100 })).backups.find((listed) => listed.backupId === backupId)?.verification?.status;
}

async function apply(verification: string): Promise<void> {
  const yaml = world.yaml.replace("verification: { schedule:", `verification: { ${verification}schedule:`);
  await world.client.call(api.system.apply, { yaml, sourceName: world.configPath, dryRun: false });
}

/** Runs `work` while mariadb-backup is `body`; `$real` is the real one. */
async function withTool<T>(body: string, work: () => Promise<T>): Promise<T> {
  const dir = join(world.rootDir, "bin");
  const real = await toolFile("mariadb-backup", "/usr/bin");
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "mariadb-backup"), `#!/bin/sh\nreal=${real}\n${body}\n`);
  await chmod(join(dir, "mariadb-backup"), 0o755);
  process.env["PATH"] = `${dir}:${pathBefore ?? ""}`;
  try {
    return await work();
  } finally {
    process.env["PATH"] = pathBefore;
  }
}

/** A prepare that loses a table's file and still says that it completed. */
const LOSES_A_TABLE = `"$real" "$@" || exit 1
for arg in "$@"; do case "$arg" in --target-dir=*) rm -f "\${arg#--target-dir=}/shop/orders.ibd" ;; esac; done`;

describe("a verification over what is not as it should be", () => {
  it.each([
    ["one row too few", "SELECT COUNT(*) FROM shop.orders", "501"],
    ["a query that cannot run", "SELECT COUNT(*) FROM shop.nowhere", "0"],
    ["a query without a row", "SELECT 1 FROM shop.orders WHERE id < 0", "1"],
  ])("fails on the owner's assertion: %s", async (_, sql, equals) => {
    await apply(`assertions: [{ name: orders, sql: "${sql}", equals: "${equals}" }], `);
    const result = await verify(bad);
    expect(result.checks.filter(({ status }) => status === "failed")).toEqual([expect.objectContaining({ tier: "T3", name: "assertion orders" })]);
    expect(await verdictOf(bad)).toBe("failed");
    expect(await findings()).toEqual([expect.objectContaining({ kind: "verification-failed", subject: `backup:${bad.backupId}`, severity: "critical" })]);
  });

  it("passes with the right one, which takes the finding back", async () => {
    await apply(`assertions: [{ name: orders, sql: "SELECT COUNT(*) FROM shop.orders", equals: "500" }], `);
    const result = await verify(bad);
    expect(result.checks.filter(({ status }) => status === "failed")).toEqual([]);
    expect(result.checks.map(({ name, status }) => `${name} ${status}`)).toEqual(expect.arrayContaining(["exact row counts passed", "marker passed"]));
    expect(await verdictOf(bad)).toBe("passed");
    expect(await findings()).toEqual([]);
  });

  it("fails when a table's file is missing after a prepare that calls itself completed, and names the file in the job alone", async () => {
    const result = await withTool(LOSES_A_TABLE, () => verify(bad));
    expect(result.checks.filter(({ status }) => status === "failed")).toEqual([expect.objectContaining({ tier: "T2", name: "prepare", differences: [expect.stringContaining("shop/orders.ibd")] as unknown })]);
    const { reports } = await world.client.call(api.backups.show, { backupId: bad.backupId });
    const newest = reports.toSorted((a: VerificationReport, b: VerificationReport) => (a.verificationId < b.verificationId ? 1 : -1))[0];
    expect(newest?.status).toBe("failed");
    expect(JSON.stringify(newest)).not.toContain("orders.ibd");
  });
});

describe("a backup whose verification failed", () => {
  it("is marked in the list, has a critical finding, and a restore over such a prepare is refused", async () => {
    expect([await verdictOf(bad), await verdictOf(good)]).toEqual(["failed", undefined]);
    expect(await findings()).toEqual([expect.objectContaining({ kind: "verification-failed", subject: `backup:${bad.backupId}`, severity: "critical" })]);
    const refused = withTool(LOSES_A_TABLE, () => world.holdfast.restore({ kind: "latest" }, join(world.rootDir, "refused")));
    await expect(refused).rejects.toMatchObject({ code: "VERIFICATION_FAILED", message: expect.stringContaining("shop/orders.ibd") as unknown });
  });

  it("is passed over by the planner, although another one is older", async () => {
    const plan = await world.holdfast.plan({ kind: "latest" });
    expect(plan.chain.map(({ backupId }) => backupId)).toEqual([good.backupId]);
  });

  it("is no parent of the next incremental", async () => {
    const next = await world.holdfast.backUp("incremental");
    expect(next.parentId).toBe(good.backupId);
    await expectOnlyWholeBackups(world, world.client);
    await world.stopUp();
    expectNothingLeft(world);
  });
});
