import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop } from "../../src/demo/shop.ts";
import { generateKeyPair, readIdentityFile, writeIdentityFile } from "../../src/keys/identities.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { api } from "../../src/model/api/index.ts";
import { runHoldfast } from "../fixtures/holdfast-program.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

let world: HoldfastWorld;

beforeAll(async () => {
  world = await startWorld({ shipEvery: "300ms", settings: { maxAttempts: 1, shipRetryMs: 200 } });
  const connection = await world.connect();
  await createShop(connection);
  await fillShop(connection, new Ledger(), { firstId: 1, count: 200 });
});

afterAll(async () => {
  await world.stop();
});

async function apply(change: (yaml: string) => string): Promise<void> {
  await writeFile(world.configPath, change(await readFile(world.configPath, "utf8")));
  await world.client.call(api.system.apply, { yaml: await readFile(world.configPath, "utf8"), sourceName: world.configPath, dryRun: false });
}

it("after a rotation new backups open with the new identity alone, and old ones with the old one", async () => {
  const [old] = await readIdentityFile(world.dailyKeyPath);
  const before = await world.holdfast.backUp("full");
  const next = await generateKeyPair();
  const nextPath = join(world.rootDir, "next.key");
  await writeIdentityFile(nextPath, next, systemClock);

  expect((await runHoldfast(["key", "rotate", old!.recipient, next.recipient, "--write", "--config", world.configPath])).code).toBe(0);
  await apply((yaml) => yaml.replace(`identities: [${world.dailyKeyPath}]`, `identities: [${world.dailyKeyPath}, ${nextPath}]`));
  const shippings = async (): Promise<number> => (await world.client.call(api.jobs.list, { kind: "ship", limit: 50 })).jobs.filter(({ state }) => state === "cancelled").length;
  await expect.poll(shippings).toBe(1);
  const running = async (): Promise<number> => (await world.client.call(api.jobs.list, { kind: "ship", state: "running", limit: 50 })).jobs.length;
  await expect.poll(running).toBe(1);
  // The log file in which a backup stands is read from its beginning.
  await (await world.connect()).query("FLUSH BINARY LOGS");
  const after = await world.holdfast.backUp("full");
  const recipientsOf = async (backupId: string) => (await world.client.call(api.backups.show, { backupId })).manifest.recipients;
  expect([(await recipientsOf(before.backupId)).includes(old!.recipient), (await recipientsOf(after.backupId)).includes(old!.recipient)]).toEqual([true, false]);
  expect(await recipientsOf(after.backupId)).toContain(next.recipient);
  for (const { backupId } of [before, after]) expect((await world.holdfast.verify(backupId)).status).toBe("passed");

  await apply((yaml) => yaml.replace(`${world.dailyKeyPath}, `, ""));
  expect((await world.holdfast.restore({ kind: "latest" }, join(world.rootDir, "restored"))).targetPath).toContain("restored");
  await expect(world.holdfast.restore({ kind: "backup", backupId: before.backupId }, join(world.rootDir, "older"))).rejects.toMatchObject({ code: "KEY_WRONG" });
});
