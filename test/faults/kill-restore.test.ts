import { existsSync, readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { compareRestored, waitForJob } from "../../src/demo/holdfast.ts";
import { Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop } from "../../src/demo/shop.ts";
import { api } from "../../src/model/api/index.ts";
import type { Backup } from "../../src/model/backup.ts";
import type { Job } from "../../src/model/job.ts";
import type { RestoreTarget } from "../../src/model/restore.ts";
import { type HoldfastProcess, startHoldfastProcess } from "../fixtures/holdfast-process.ts";
import { expectNoProcess, expectNothingLeft, expectOnlyWholeBackups, logLines, processesBelow, spinUntil } from "../fixtures/invariants.ts";
import { until } from "../fixtures/log-collector.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

let world: HoldfastWorld;
let up: HoldfastProcess;
let backup: Backup;
const ledger = new Ledger();

beforeAll(async () => {
  world = await startWorld();
  const connection = await world.connect();
  await createShop(connection);
  await fillShop(connection, ledger, { firstId: 1, count: 3_000 });
  backup = await world.holdfast.backUp("full");
  await fillShop(connection, ledger, { firstId: 10_000, count: 500 });
  await world.holdfast.waitUntilShipped(await world.logPosition());
  await world.stopUp();
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

async function restore(target: RestoreTarget): Promise<Job> {
  return (await up.client.call(api.restores.run, { instance: "shop", goal: { kind: "latest" }, allowGap: false, target })).job;
}

async function jobOf(jobId: string): Promise<Job> {
  return (await up.client.call(api.jobs.show, { jobId })).job;
}

/** Names beside a target that an unfinished restore into it has. */
function partials(path: string): string[] {
  const name = path.slice(world.rootDir.length + 1);
  return readdirSync(world.rootDir).filter((entry) => entry.startsWith(`${name}.partial-`));
}

async function killWhen(what: string, seen: () => boolean): Promise<void> {
  spinUntil(what, seen);
  await up.kill9();
  await expectNoProcess(world);
}

const removedPaths = (): unknown[] => logLines(world).flatMap(({ msg, path }) => (msg === "removed the unfinished restore of a process that died" ? [path] : []));
const sandboxRuns = (): boolean => processesBelow(world.rootDir).some((line) => line.includes("mariadbd "));

/** It is named after it is gone, so the name is what can be waited for. */
const untilNamedAsRemoved = (path: string): Promise<void> => until(`${path} is named as removed`, () => removedPaths().includes(path));

async function expectRestoreLost(job: Job, path: string): Promise<void> {
  const [partial] = partials(path);
  expect(partial).toBeDefined();
  expect(existsSync(path)).toBe(false);
  up = await startHoldfastProcess(world);
  await untilNamedAsRemoved(join(world.rootDir, partial ?? ""));
  expect(partials(path)).toEqual([]);
  expect(existsSync(path)).toBe(false);
  // A restore is tried once: what is to become of its target is for a person to say.
  expect(await jobOf(job.jobId)).toMatchObject({ state: "failed", error: { code: "LEASE_LOST" } });
}

describe("kill -9 of Holdfast during a restore", () => {
  it.each([
    ["while files are unpacked", (path: string) => partials(path).some((name) => existsSync(join(world.rootDir, name, "ibdata1")))],
    ["while the log is replayed", () => sandboxRuns()],
  ] as const)("%s leaves no target, and what was half-done is removed and named at the next start", async (what, seen) => {
    const path = join(world.rootDir, `t${String(what.length)}`);
    const job = await restore({ kind: "directory", path, start: false });
    await killWhen(what, () => seen(path));
    await expectRestoreLost(job, path);
  });

  it("the same restore then succeeds into the same place", async () => {
    const path = join(world.rootDir, "again");
    const first = await restore({ kind: "directory", path, start: false });
    await killWhen("it began", () => partials(path).length > 0);
    await expectRestoreLost(first, path);
    await waitForJob(up.client, await restore({ kind: "directory", path, start: false }), world.signal);
    const comparison = await compareRestored(world, path, ledger.stateAt(ledger.entries().at(-1)?.gtid ?? ""));
    expect(comparison).toEqual({ comparedRows: 3_500, differences: [] });
  });

  it("of one table leaves no file, half a file included", async () => {
    const sqlPath = join(world.rootDir, "orders.sql");
    const job = await restore({ kind: "table", schema: "shop", table: "orders", sqlPath });
    await killWhen("the sandbox runs", sandboxRuns);
    // The dump may not have begun yet: what it would have left is put there.
    const { attemptId } = (await readOwner())!;
    await writeFile(`${sqlPath}.partial-${attemptId}`, "half");
    up = await startHoldfastProcess(world);
    await untilNamedAsRemoved(`${sqlPath}.partial-${attemptId}`);
    expect(partials(sqlPath)).toEqual([]);
    expect(existsSync(sqlPath)).toBe(false);
    expect((await jobOf(job.jobId)).state).toBe("failed");
  });

  it("never removes what a tampered list names: only paths with the attempt's own id are believed", async () => {
    const bystander = join(world.rootDir, "bystander");
    await writeFile(bystander, "mine");
    await restore({ kind: "directory", path: join(world.rootDir, "t1"), start: false });
    await killWhen("the restore began", () => partials(join(world.rootDir, "t1")).length > 0);
    const { home, attemptId } = (await readOwner())!;
    await writeFile(join(home, "w", "outside.json"), JSON.stringify([bystander, join(world.rootDir, `t1.partial-${attemptId}`)]));
    up = await startHoldfastProcess(world);
    await untilNamedAsRemoved(join(world.rootDir, `t1.partial-${attemptId}`));
    expect(await readFile(bystander, "utf8")).toBe("mine");
  });
});

/** The dead attempt's own note of itself in the scratch space. */
async function readOwner(): Promise<{ home: string; attemptId: string } | undefined> {
  const root = join(world.rootDir, "state", "scratch");
  for (const name of readdirSync(root)) {
    const { attemptId } = JSON.parse(await readFile(join(root, name, "owner.json"), "utf8")) as { attemptId: string };
    if (existsSync(join(root, name, "w", "outside.json"))) return { home: join(root, name), attemptId };
  }
  return undefined;
}

describe("kill -9 of Holdfast during a verification", () => {
  it("leaves no sandbox and no report, and the verification is tried again", async () => {
    const { job } = await up.client.call(api.backups.verify, { backupId: backup.backupId, tier: "T4" });
    await killWhen("the sandbox runs", sandboxRuns);
    up = await startHoldfastProcess(world);
    expect((await up.client.call(api.backups.show, { backupId: backup.backupId })).reports).toEqual([]);
    expect(await jobOf(job.jobId)).toMatchObject({ state: "due", attempts: [{ state: "lost" }] });
    await waitForJob(up.client, job, world.signal);
    const { reports } = await up.client.call(api.backups.show, { backupId: backup.backupId });
    expect(reports.map(({ status, tier }) => ({ status, tier }))).toEqual([{ status: "passed", tier: "T4" }]);
    await expectOnlyWholeBackups(world, up.client);
  });
});
