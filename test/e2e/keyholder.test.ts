import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitForJob } from "../../src/demo/holdfast.ts";
import { Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop } from "../../src/demo/shop.ts";
import { checkReleaseLog } from "../../src/keys/release-log.ts";
import { signerFrom } from "../../src/lib/signing.ts";
import { api } from "../../src/model/api/index.ts";
import type { Backup } from "../../src/model/backup.ts";
import type { Job } from "../../src/model/job.ts";
import { type Ran, runHoldfast } from "../fixtures/holdfast-program.ts";
import { type KeyholderPlace, type KeyholderProcess, startKeyholderProcess } from "../fixtures/keyholder-process.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

let world: HoldfastWorld;
let place: KeyholderPlace;
let keyholder: KeyholderProcess;
let backup: Backup;

beforeAll(async () => {
  world = await startWorld({ shipEvery: "300ms", settings: { maxAttempts: 1 } });
  const connection = await world.connect();
  await createShop(connection);
  await fillShop(connection, new Ledger(), { firstId: 1, count: 300 });
  backup = await world.holdfast.backUp("full");
  await world.holdfast.waitUntilShipped(await world.logPosition());
  await world.stopUp();
  const dir = join(world.rootDir, "kh");
  const signingKey = signerFrom(await readFile(join(world.rootDir, "state", "keys", "signing.pem"), "utf8")).publicKey;
  place = { dir, identityPath: join(dir, "daily.key"), signingKey };
  keyholder = await startKeyholderProcess({ ...place, identityPath: world.dailyKeyPath });
  await keyholder.stop();
  // From here on only the keyholder knows where it is.
  await rename(world.dailyKeyPath, place.identityPath);
  keyholder = await startKeyholderProcess(place);
  const yaml = world.yaml.replace(`identities: [${world.dailyKeyPath}]`, "identities: []").replace("repositories:", `keyholder: { socket: ${keyholder.socket} }\nrepositories:`);
  await writeFile(world.configPath, yaml);
  await world.startUp(yaml);
});

afterAll(async () => {
  await keyholder.kill9();
  await world.stop();
});

/** A process beside this one, in which the server is: it must not be waited for without answering. */
const holdfast = (...args: string[]): Promise<Ran> => runHoldfast([...args, "--config", world.configPath, "--json"]);

const restore = async (name: string): Promise<Job> => {
  const target = { kind: "directory" as const, path: join(world.rootDir, name), start: false };
  return (await world.client.call(api.restores.run, { instance: "shop", goal: { kind: "latest" }, allowGap: false, target })).job;
};
const done = (job: Job): Promise<Job> => waitForJob(world.client, job, world.signal);

describe("holdfast up without an identity, beside a keyholder", () => {
  it("verifies and restores, and every key it got stands in the keyholder's log", async () => {
    expect((await world.holdfast.verify(backup.backupId)).status).toBe("passed");
    await done(await restore("first"));
    const released = (await keyholder.entries()).filter(({ event }) => event === "released");
    const packs = released.filter(({ key }) => String(key).startsWith(`${backup.instanceId}/backups/${backup.backupId}/0`));
    expect(packs.length).toBeGreaterThanOrEqual(2);
    expect(new Set(released.map(({ attemptId }) => attemptId)).size).toBe(2);
    await checkReleaseLog(keyholder.releasesPath);
  });

  it("is told by doctor and key check that the keyholder opens what is sealed", async () => {
    const proven = { subject: `keyholder ${keyholder.socket}`, status: "ok", message: expect.stringContaining("it opens what is sealed to age1") as string };
    for (const command of [["doctor"], ["key", "check"]]) {
      const { code, stdout } = await holdfast(...command);
      expect((JSON.parse(stdout) as { diagnoses: object[] }).diagnoses).toContainEqual(expect.objectContaining(proven));
      if (command[0] === "key") expect(code).toBe(0);
    }
    expect(JSON.parse((await holdfast("key", "check", world.escrowKeyPath)).stdout)).toMatchObject({ diagnoses: expect.arrayContaining([expect.objectContaining({ subject: `identity ${world.escrowKeyPath}`, status: "ok" })]) as unknown });
  });
});

describe("while the keyholder is away", () => {
  it("a restore fails with a sentence that names it, as doctor does", async () => {
    await keyholder.kill9();
    const job = await restore("second");
    const sentence = { code: "KEYHOLDER_UNREACHABLE", message: expect.stringContaining(`The keyholder at ${keyholder.socket} does not answer: nobody listens there`) as string, hint: expect.stringContaining("holdfast keyholder") as string };
    await expect(done(job)).rejects.toMatchObject(sentence);
    const { code, stdout } = await holdfast("key", "check");
    expect([code, stdout]).toEqual([16, expect.stringContaining(`The keyholder at ${keyholder.socket} does not answer`)]);
  });

  it("backups go on, and a restore that waits for it ends well when it is back", async () => {
    expect((await world.holdfast.backUp("incremental")).parentId).toBe(backup.backupId);
    const job = await restore("third");
    const waits = async (): Promise<boolean> => (await readFile(join(world.rootDir, "state", "holdfast.log"), "utf8")).split("\n").some((line) => line.includes("will try again") && line.includes("does not answer") && line.includes(`"what":"open `) && Date.parse((JSON.parse(line) as { time: string }).time) >= Date.parse(job.createdAt));
    await expect.poll(waits).toBe(true);
    keyholder = await startKeyholderProcess(place);
    await done(job);
    expect((await world.holdfast.verify(backup.backupId)).status).toBe("passed");
  });

  it("is refused by name when it believes another server", async () => {
    await keyholder.stop();
    keyholder = await startKeyholderProcess({ ...place, signingKey: "A".repeat(43) });
    await expect(restore("fourth").then(done)).rejects.toMatchObject({ code: "GRANT_INVALID", message: expect.stringContaining("signature does not match") as string });
    expect((await holdfast("key", "check")).stdout).toContain("Set `signingKey: ");
    await keyholder.stop();
    keyholder = await startKeyholderProcess(place);
  });
});
