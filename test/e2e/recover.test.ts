import { spawnSync } from "node:child_process";
import { cp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop, startWriter } from "../../src/demo/shop.ts";
import { generateKeyPair, writeIdentityFile } from "../../src/keys/identities.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { generateSigningKey, type Signed, signerFrom } from "../../src/lib/signing.ts";
import { api } from "../../src/model/api/index.ts";
import type { Backup } from "../../src/model/backup.ts";
import { HOLDFAST, type Ran, userEnv } from "../fixtures/holdfast-program.ts";
import { expectLedgerIn } from "../fixtures/protected-shop.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

const LIMIT_MS = 240_000;

let world: HoldfastWorld;
const ledger = new Ledger();
const chain: Backup[] = [];
let fingerprint = "";
let before = "";
let forgedKey = "";
let newConfig = "";

/** Holdfast as a process, as a person on the new machine runs it. */
function holdfast(configPath: string, ...args: string[]): Ran {
  const { status, stdout, stderr } = spawnSync(HOLDFAST, [...args, "--config", configPath], { cwd: world.rootDir, encoding: "utf8", env: userEnv(), timeout: LIMIT_MS, maxBuffer: 64 * 1024 ** 2 });
  return { code: status, stdout, stderr };
}

function good(ran: Ran): Ran {
  expect(ran, ran.stderr).toMatchObject({ code: 0 });
  return ran;
}

const stateDir = (): string => join(world.rootDir, "new");
const recover = (options: { fingerprint?: string; identity?: string } = {}): Ran =>
  holdfast(newConfig, "recover", world.repositoryPath, "--fingerprint", options.fingerprint ?? fingerprint, "--identity", options.identity ?? world.escrowKeyPath, "--state-dir", stateDir(), "--json");

/** A manifest like a real one, at a place of its own, signed with a key that is not the server's. */
async function forgeManifest(real: Backup): Promise<string> {
  const backups = join(world.repositoryPath, real.instanceId, "backups");
  const backupId = `${real.backupId.slice(0, -2)}ZZ`;
  await cp(join(backups, real.backupId), join(backups, backupId), { recursive: true });
  const path = join(backups, backupId, "manifest.json");
  const { kind, body, signature } = JSON.parse(await readFile(path, "utf8")) as Signed<Record<string, unknown>>;
  const forged = signerFrom(generateSigningKey()).sign(kind, { ...body, backupId, chainId: backupId });
  await rm(path);
  await writeFile(path, JSON.stringify({ ...forged, signature: { ...forged.signature, key: signature.key } }));
  return `${real.instanceId}/backups/${backupId}/manifest.json`;
}

beforeAll(async () => {
  world = await startWorld({ shipEvery: "1s" });
  newConfig = join(world.rootDir, "new.yaml");
  const connection = await world.connect();
  await createShop(connection);
  await fillShop(connection, ledger, { firstId: 1, count: 1_000 });
  const writer = startWriter(connection, ledger, { firstId: 1_000_000, pauseMs: 5 });
  for (const kind of ["full", "incremental"] as const) chain.push(await world.holdfast.backUp(kind));
  await writer.stop();
  await connection.query("FLUSH BINARY LOGS");
  await fillShop(connection, ledger, { firstId: 5_000_000, count: 50 });
  await world.holdfast.waitUntilShipped(await world.logPosition());
  const [full, incremental] = chain;
  await world.client.call(api.backups.hold, { backupId: full!.backupId, reason: "over", by: "ann" });
  await world.client.call(api.backups.release, { backupId: full!.backupId, by: "bob" });
  await world.client.call(api.backups.hold, { backupId: incremental!.backupId, reason: "court", by: "ann" });
  expect(await world.holdfast.verify(incremental!.backupId)).toMatchObject({ tier: "T4", status: "passed" });
  fingerprint = (await world.client.call(api.system.status, {})).signingKeyFingerprint;
  await world.stopUp();
  before = good(holdfast(world.configPath, "export")).stdout;
  // The whole machine: server, state directory, configuration, the daily identity.
  await world.mariadb.kill9();
  await rm(world.mariadb.dataDir, { recursive: true });
  for (const path of [join(world.rootDir, "state"), world.configPath, world.dailyKeyPath]) await rm(path, { recursive: true });
  forgedKey = await forgeManifest(full!);
}, LIMIT_MS);

afterAll(async () => {
  await world.stop();
});

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

describe("with server, catalog and configuration gone, a repository, a fingerprint and the escrow identity", () => {
  it("bring nothing back, and leave nothing behind, with another fingerprint or another identity", async () => {
    const other = signerFrom(generateSigningKey()).fingerprint;
    const foreign = recover({ fingerprint: other });
    expect(foreign.code).toBe(13);
    expect(foreign.stdout + foreign.stderr).toContain(`REPOSITORY_FOREIGN`);
    expect(foreign.stdout + foreign.stderr).toContain(other);
    const strangerPath = join(world.rootDir, "stranger.key");
    await writeIdentityFile(strangerPath, await generateKeyPair(), systemClock);
    const wrong = recover({ identity: strangerPath });
    expect(wrong.code).toBe(16);
    expect(wrong.stdout + wrong.stderr).toContain("KEY_WRONG");
    for (const path of [stateDir(), newConfig]) expect(await isThere(path)).toBe(false);
  });

  it("bring back the same backups, chains, coverage, holds and reports byte for byte, and refuse a forged manifest by name", async () => {
    const recovered = JSON.parse(good(recover()).stdout) as { refused: string[]; backups: number; holds: number; verifications: number };
    expect(recovered).toMatchObject({ backups: 2, holds: 2, verifications: 1 });
    expect(recovered.refused).toHaveLength(1);
    expect(recovered.refused[0]).toContain(forgedKey);
    const exported = good(holdfast(newConfig, "export")).stdout;
    expect(exported).toBe(before);
    const parts = JSON.parse(exported) as Record<string, unknown[]>;
    for (const part of ["policies", "instances", "backups", "chains", "coverage", "holds", "reports"]) expect(parts[part]?.length, part).toBeGreaterThan(0);
    expect(parts["chains"]).toMatchObject([{ backupIds: chain.map(({ backupId }) => backupId) }]);
    expect((await readdir(join(stateDir(), "keys"))).sort()).toEqual(["metadata.key", "signing.pem"]);
  });

  it("are refused as a second recovery onto the first", () => {
    const again = recover();
    expect(again.code).toBe(5);
    expect(again.stdout + again.stderr).toContain("TARGET_NOT_EMPTY");
  });

  it("come up frozen, which status and doctor say, and which refuses backups", () => {
    expect(good(holdfast(newConfig, "status")).stdout).toContain("FROZEN");
    expect(holdfast(newConfig, "doctor").stdout).toContain("FROZEN");
    const refused = holdfast(newConfig, "backup", "run", "shop");
    expect(refused.code).toBe(5);
    expect(refused.stderr).toContain("frozen");
  });

  it("restore the last second of the log and verify again while frozen, with the source server gone", { timeout: LIMIT_MS }, async () => {
    const target = join(world.rootDir, "restored");
    good(holdfast(newConfig, "restore", "run", "shop", "--latest", "--target-dir", target));
    await expectLedgerIn({ world, ledger }, target, { atLeast: 1_001 });
    good(holdfast(newConfig, "backup", "verify", chain[1]!.backupId, "--tier", "T3"));
  });

  it("go on after `thaw`, and then keep their state anew under the same keys", async () => {
    const statesBefore = await readdir(join(world.repositoryPath, "_control", "state"));
    expect(good(holdfast(newConfig, "thaw")).stdout).toContain("Thawed");
    expect(good(holdfast(newConfig, "status")).stdout).not.toContain("FROZEN");
    expect((await readdir(join(world.repositoryPath, "_control", "state"))).length).toBeGreaterThan(statesBefore.length);
    expect(JSON.parse(good(holdfast(newConfig, "status", "--json")).stdout)).toMatchObject({ frozen: null, signingKeyFingerprint: fingerprint });
  });
});
