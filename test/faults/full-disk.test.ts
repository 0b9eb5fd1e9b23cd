import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { waitForJob } from "../../src/demo/holdfast.ts";
import { Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop } from "../../src/demo/shop.ts";
import { runTool } from "../../src/lib/process.ts";
import { api } from "../../src/model/api/index.ts";
import type { Backup } from "../../src/model/backup.ts";
import { expectNoTool, expectNothingLeft, expectOnlyWholeBackups, storedAttempts } from "../fixtures/invariants.ts";
import { until } from "../fixtures/log-collector.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";
import { describeUnless } from "../skip.ts";

const NO_MOUNT = spawnSync("unshare", ["--mount", "sh", "-c", "mount -t tmpfs tmpfs /tmp"], { stdio: "ignore" }).status === 0 ? undefined : "mounting a file system is not allowed here";

let world: HoldfastWorld;

beforeAll(async () => {
  if (NO_MOUNT !== undefined) return;
  world = await startWorld({ shipEvery: "300ms", settings: { maxAttempts: 1 } });
  const connection = await world.connect();
  await createShop(connection);
  await fillShop(connection, new Ledger(), { firstId: 1, count: 2_000 });
});

afterAll(async () => {
  if (NO_MOUNT === undefined) await world.stop();
});

/** A file system of its own; it takes away the directory's disk for as long as `work` runs. */
async function onSmallDisk(place: string, sizeMib: number, work: (grow: () => Promise<void>) => Promise<void>): Promise<void> {
  await mkdir(place, { recursive: true });
  await runTool({ file: "mount", args: ["-t", "tmpfs", "-o", `size=${String(sizeMib)}m,mode=0711`, "tmpfs", place] });
  try {
    await work(async () => {
      await runTool({ file: "mount", args: ["-o", "remount,size=400m", place] });
    });
  } finally {
    await world.stopUp();
    await runTool({ file: "umount", args: [place] });
    await world.startUp();
  }
}

async function verify({ backupId }: Pick<Backup, "backupId">): Promise<unknown> {
  const { job } = await world.client.call(api.backups.verify, { backupId, tier: "T3" });
  return (await waitForJob(world.client, job, world.signal)).result;
}

const isCommitted = (place: string, attemptId: string): boolean => readdirSync(place).some((instance) => existsSync(join(place, instance, "backups", attemptId, "manifest.json")));

/** The job failed and says so; nothing is said about the backup. */
async function expectUnjudged({ backupId }: Backup): Promise<void> {
  await expectNoTool(world);
  const { findings } = await world.client.call(api.system.findings, { all: false });
  expect(findings.map(({ kind }) => kind)).toEqual(["verify-failed"]);
  const { backup, reports } = await world.client.call(api.backups.show, { backupId });
  expect([backup.verification, reports]).toEqual([null, []]);
}

describeUnless(NO_MOUNT, "a full disk", () => {
  it("under the scratch space fails a verification without a word about the backup, which passes once there is room", async () => {
    const backup = await world.holdfast.backUp("full");
    await world.stopUp();
    const scratch = join(world.rootDir, "state", "scratch");
    await onSmallDisk(scratch, 12, async (grow) => {
      await world.startUp();
      await expect(verify(backup)).rejects.toMatchObject({ code: "STORAGE_FULL", message: expect.stringContaining("needs about") as unknown });
      await expectUnjudged(backup);
      await grow();
      // Room enough to begin, until somebody else takes it away.
      const filler = join(scratch, "filler");
      const verified = verify(backup).catch((error: unknown) => error);
      await until("files are unpacked", () => readdirSync(scratch).some((attempt) => existsSync(join(scratch, attempt, "w", "data", "ibdata1"))));
      await runTool({ file: "sh", args: ["-c", 'cat /dev/zero >"$0" 2>/dev/null || true', filler] });
      expect(await verified).toMatchObject({ code: "STORAGE_FULL", message: expect.stringContaining("left:") as unknown });
      await expectUnjudged(backup);
      await rm(filler);
      expect(await verify(backup)).toMatchObject({ status: "passed" });
      expect((await world.client.call(api.system.findings, { all: false })).findings).toEqual([]);
    });
  });

  it("under the target refuses a restore before its first byte", async () => {
    const place = join(world.rootDir, "target");
    await onSmallDisk(place, 20, async () => {
      await expect(world.holdfast.restore({ kind: "latest" }, join(place, "r"))).rejects.toMatchObject({ code: "STORAGE_FULL", message: expect.stringContaining(place) as unknown });
      expect(readdirSync(place)).toEqual([]);
    });
  });

  it("under the repository fails a backup with a sentence about space, and the next one succeeds once there is room", async () => {
    const place = join(world.rootDir, "small");
    await onSmallDisk(place, 1, async (grow) => {
      const yaml = world.yaml.replace(`path: ${world.repositoryPath}`, `path: ${place}`);
      await world.client.call(api.system.apply, { yaml, sourceName: world.configPath, dryRun: false });
      await expect(world.holdfast.backUp("full")).rejects.toMatchObject({ code: "STORAGE_FULL", message: expect.stringContaining(place) as unknown });
      await expectNoTool(world);
      await grow();
      const { backupId } = await world.holdfast.backUp("full");
      expect(await verify({ backupId })).toMatchObject({ status: "passed" });
      // What the failed attempt wrote counts for nothing: the only manifest is this backup's.
      expect(storedAttempts({ ...world, repositoryPath: place }).filter((id) => isCommitted(place, id))).toEqual([backupId]);
      await world.client.call(api.system.apply, { yaml: world.yaml, sourceName: world.configPath, dryRun: false });
    });
    expect((await expectOnlyWholeBackupsOfMain()).length).toBe(1);
    await world.stopUp();
    expectNothingLeft(world);
  });
});

/** The catalog also knows the backup in the repository that is gone; the others must all be there. */
async function expectOnlyWholeBackupsOfMain(): Promise<Backup[]> {
  const whole = storedAttempts(world);
  const { client } = world;
  const { backups } = await client.call(api.backups.list, { limit: 100 });
  const main = backups.filter(({ backupId }) => whole.includes(backupId));
  await expectOnlyWholeBackups(world, { call: async (route, input, signal) => (route.name === api.backups.list.name ? ({ backups: main } as never) : client.call(route, input, signal)) });
  return main;
}
