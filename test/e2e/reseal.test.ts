import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop } from "../../src/demo/shop.ts";
import { sandboxAccount } from "../../src/engines/mysql/server-process.ts";
import { generateKeyPair, readIdentityFile, writeIdentityFile } from "../../src/keys/identities.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { runTool } from "../../src/lib/process.ts";
import { api } from "../../src/model/api/index.ts";
import type { Backup } from "../../src/model/backup.ts";
import { HOLDFAST } from "../fixtures/holdfast-program.ts";
import { expectLedgerIn } from "../fixtures/protected-shop.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

const PAGE = resolve(import.meta.dirname, "../../docs/restore-without-holdfast.md");

let world: HoldfastWorld;
const ledger = new Ledger();
const taken: Backup[] = [];
let copies: { from: string; backupId: string }[] = [];
let nextKeyPath = "";

/** Standard output of one command of a process beside this one. */
async function holdfast(configPath: string, ...args: string[]): Promise<string> {
  return (await promisify(execFile)(HOLDFAST, [...args, "--config", configPath], { cwd: world.rootDir, maxBuffer: 64 * 1024 ** 2 })).stdout;
}

async function apply(change: (yaml: string) => string): Promise<void> {
  const yaml = change(await readFile(world.configPath, "utf8"));
  await writeFile(world.configPath, yaml);
  await world.client.call(api.system.apply, { yaml, sourceName: world.configPath, dryRun: false });
}

const expectTheShopIn = (dataDir: string): Promise<void> => expectLedgerIn({ world, ledger }, dataDir, { atLeast: 501 });

beforeAll(async () => {
  world = await startWorld({ shipEvery: "300ms", settings: { maxAttempts: 1 } });
  const connection = await world.connect();
  await createShop(connection);
  for (const kind of ["full", "incremental"] as const) {
    await fillShop(connection, ledger, { firstId: 1 + taken.length * 10_000, count: 300 });
    taken.push(await world.holdfast.backUp(kind));
  }
  const [old] = await readIdentityFile(world.dailyKeyPath);
  const next = await generateKeyPair();
  nextKeyPath = join(world.rootDir, "next.key");
  await writeIdentityFile(nextKeyPath, next, systemClock);
  await holdfast(world.configPath, "key", "rotate", old!.recipient, next.recipient, "--write");
  await apply((yaml) => yaml.replace(`identities: [${world.dailyKeyPath}]`, `identities: [${world.dailyKeyPath}, ${nextKeyPath}]`));
  ({ resealed: copies } = JSON.parse(await holdfast(world.configPath, "backup", "reseal", taken[1]!.backupId, "--json")) as { resealed: typeof copies });
  // From here on nobody has the old identity.
  await apply((yaml) => yaml.replace(`${world.dailyKeyPath}, `, ""));
  await rm(world.dailyKeyPath);
});

afterAll(async () => {
  await world.stop();
});

describe("a chain that was resealed after its key was rotated", () => {
  it("is restored with the new identity alone, by Holdfast and by hand, to the same rows", async () => {
    expect(copies.map(({ from }) => from)).toEqual(taken.map(({ backupId }) => backupId));
    expect(await holdfast(world.configPath, "backup", "list")).toMatch(new RegExp(`${copies[1]!.backupId}.*incremental, resealed`));
    expect(await holdfast(world.configPath, "backup", "show", copies[1]!.backupId)).toContain(`resealed from ${taken[1]!.backupId}`);
    await expect(world.holdfast.restore({ kind: "backup", backupId: taken[1]!.backupId }, join(world.rootDir, "older"))).rejects.toMatchObject({ code: "KEY_WRONG" });
    const { targetPath } = await world.holdfast.restore({ kind: "backup", backupId: copies[1]!.backupId }, join(world.rootDir, "restored"));
    await expectTheShopIn(targetPath);

    const work = join(world.rootDir, "byhand");
    await mkdir(work);
    const page = await readFile(PAGE, "utf8");
    const lines = ["unpack", "prepare"].map((name) => new RegExp(`<!-- tested: ${name} -->\\n\`\`\`sh\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] ?? `missing ${name}`);
    const backups = join(world.repositoryPath, taken[0]!.instanceId, "backups");
    const env = { KEY: nextKeyPath, WORK: work, CHAIN: copies.map(({ backupId }) => join(backups, backupId)).join(" ") };
    await runTool({ file: "sh", args: ["-c", `set -eu\n${lines.join("\n")}`], env });
    await world.makePassable(work);
    const account = sandboxAccount();
    if (account !== undefined) await runTool({ file: "chown", args: ["-R", `${account.user}:`, join(work, "0")] });
    await expectTheShopIn(join(work, "0"));
  });

  it("comes back the same from the repository: by `catalog rebuild` and by `recover`", async () => {
    const { signingKeyFingerprint } = await world.client.call(api.system.status, {});
    await world.stopUp();
    const before = await holdfast(world.configPath, "export");
    expect(before).toContain(`"resealedFrom": "${taken[1]!.backupId}"`);
    const recovered = join(world.rootDir, "new.yaml");
    await holdfast(recovered, "recover", world.repositoryPath, "--fingerprint", signingKeyFingerprint, "--identity", nextKeyPath, "--state-dir", join(world.rootDir, "new"), "--json");
    expect((await holdfast(recovered, "export")) === before).toBe(true);
    const data = join(world.rootDir, "state", "data");
    for (const name of await readdir(data)) await rm(join(data, name), { recursive: true });
    const { backups, refused } = JSON.parse(await holdfast(world.configPath, "catalog", "rebuild", "--json")) as { backups: number; refused: string[] };
    expect({ backups, refused }).toEqual({ backups: 4, refused: [] });
    const backupsOf = (text: string): unknown => (JSON.parse(text) as { backups: unknown }).backups;
    expect(backupsOf(await holdfast(world.configPath, "export"))).toEqual(backupsOf(before));
  });
});
