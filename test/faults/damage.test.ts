import { open, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/config.ts";
import { waitForJob } from "../../src/demo/holdfast.ts";
import { Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop } from "../../src/demo/shop.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { HoldfastError } from "../../src/lib/errors.ts";
import { silentLog } from "../../src/lib/log.ts";
import { api } from "../../src/model/api/index.ts";
import type { Backup } from "../../src/model/backup.ts";
import { backupPrefix, manifestKey, segmentKey } from "../../src/model/manifest.ts";
import type { RestoreGoal } from "../../src/model/restore.ts";
import type { Finding, VerificationResult } from "../../src/model/verification.ts";
import { rebuildCatalogFrom } from "../../src/rebuild.ts";
import { expectNothingLeft } from "../fixtures/invariants.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

let world: HoldfastWorld;
let backup: Backup;
/** One key of each kind of stored object. */
let keys: { pack: string; index: string; manifest: string; piece: string; pieceIndex: string; segment: string };

beforeAll(async () => {
  // No tails are kept that could come back: here the log itself is what is damaged.
  world = await startWorld({ shipEvery: "300ms", settings: { keepReplacedMs: 0 } });
  const connection = await world.connect();
  await createShop(connection);
  await fillShop(connection, new Ledger(), { firstId: 1, count: 500 });
  backup = await world.holdfast.backUp("full");
  await fillShop(connection, new Ledger(), { firstId: 10_000, count: 500 });
  await connection.query("FLUSH BINARY LOGS");
  await world.holdfast.waitUntilShipped(await world.logPosition());
  const prefix = backupPrefix(backup.instanceId, backup.backupId);
  const log = (await world.holdfast.plan({ kind: "latest" })).segments[0]!;
  const { segment } = log;
  keys = {
    pack: `${prefix}000000.zst.age`,
    index: `${prefix}index.zst.age`,
    manifest: manifestKey(backup.instanceId, backup.backupId),
    piece: `${log.prefix}${segment.object.name}`,
    pieceIndex: `${log.prefix}${segment.index.name}`,
    segment: segmentKey(segment.instanceId, segment.timeline, segment.segmentId),
  };
});

afterAll(async () => {
  await world.stop();
});

const pathOf = (key: string): string => join(world.repositoryPath, key);
type Harm = (path: string) => Promise<void>;

/** Flips the lowest bit of the byte at a fraction of the file. */
const flipAt = (fraction: number): Harm => async (path) => {
  const file = await open(path, "r+");
  const place = Math.floor((await file.stat()).size * fraction);
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, place);
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, place);
  await file.close();
};
const shorten: Harm = async (path) => truncate(path, (await stat(path)).size - 1);
const append: Harm = async (path) => writeFile(path, "\n", { flag: "a" });
const remove: Harm = (path) => rm(path);

/** Harms a stored object for as long as `work` runs. */
async function damaged<T>(key: string, harm: Harm, work: () => Promise<T>): Promise<T> {
  const path = pathOf(key);
  const original = await readFile(path);
  await harm(path);
  try {
    return await work();
  } finally {
    await writeFile(`${path}.whole`, original);
    await rename(`${path}.whole`, path);
  }
}

async function check(): Promise<{ problems: { key: string; problem: string }[]; findings: Finding[] }> {
  const { job } = await world.client.call(api.system.checkRepository, { repository: "main", depth: "hash" });
  const { result } = await waitForJob(world.client, job, world.signal);
  const { findings } = await world.client.call(api.system.findings, { all: false });
  return { problems: (result as { problems: { key: string; problem: string }[] }).problems, findings };
}

async function restoreError(goal: RestoreGoal): Promise<HoldfastError> {
  const path = join(world.rootDir, "refused");
  return world.holdfast.restore(goal, path).then(
    () => {
      throw new Error("the damaged data were restored");
    },
    (error: unknown) => error as HoldfastError,
  );
}

describe("repository check", () => {
  it("finds nothing in a whole repository", async () => {
    expect(await check()).toEqual({ problems: [], findings: [] });
  });

  const harms: readonly (readonly [string, keyof typeof keys, Harm, string])[] = [
    ["a bit of a pack's header", "pack", flipAt(0.00001), "hash"],
    ["a bit of a pack's body", "pack", flipAt(0.5), "hash"],
    ["the last bit of a pack", "pack", flipAt(0.999999999), "hash"],
    ["a bit of the index", "index", flipAt(0.5), "hash"],
    ["a bit of the manifest", "manifest", flipAt(0.5), "hash"],
    ["a bit of a log piece", "piece", flipAt(0.5), "hash"],
    ["a bit of a log piece's index", "pieceIndex", flipAt(0.9), "hash"],
    ["a bit of a log piece's document", "segment", flipAt(0.3), "hash"],
    ...(["pack", "index", "manifest", "piece", "pieceIndex", "segment"] as const).flatMap(
      (kind) =>
        [
          [`a missing byte of the ${kind}`, kind, shorten, "size"],
          [`a byte too many in the ${kind}`, kind, append, "size"],
          [`a missing ${kind}`, kind, remove, "missing"],
        ] as const,
    ),
  ];

  it.each(harms)("names exactly the object: %s", async (_, kind, harm, problem) => {
    const owner: unknown = kind === "pack" || kind === "index" || kind === "manifest" ? `backup:${backup.backupId}` : expect.stringMatching(/^segment:/);
    const { problems, findings } = await damaged(keys[kind], harm, check);
    expect(problems).toEqual([expect.objectContaining({ key: keys[kind], problem, owner })]);
    expect(findings).toEqual([expect.objectContaining({ severity: "critical", subject: owner, message: expect.stringContaining(keys[kind]) as unknown })]);
  });

  it("closes its findings once the objects are whole again", async () => {
    expect(await check()).toEqual({ problems: [], findings: [] });
  });
});

describe("a restore", () => {
  const atBackup = (): RestoreGoal => ({ kind: "backup", backupId: backup.backupId });

  it.each([
    ["a flipped bit in a pack's header", "pack", flipAt(0.00001)],
    ["a flipped bit in a pack's body", "pack", flipAt(0.5)],
    ["a pack cut short", "pack", shorten],
    ["a pack with a byte too many", "pack", append],
    ["a missing pack", "pack", remove],
    ["a flipped bit in the index", "index", flipAt(0.5)],
    ["a flipped bit in a log piece", "piece", flipAt(0.5)],
    ["a missing log piece", "piece", remove],
  ] as const)("refuses %s by the object's name and leaves no target", async (_, kind, harm) => {
    const goal: RestoreGoal = kind === "piece" ? { kind: "latest" } : atBackup();
    const error = await damaged(keys[kind], harm, () => restoreError(goal));
    expect(["OBJECT_DAMAGED", "OBJECT_NOT_FOUND", "KEY_WRONG", "STREAM_DAMAGED"]).toContain(error.code);
    expect(error.message).toContain(keys[kind].split("/").at(-1));
    await expect(stat(join(world.rootDir, "refused"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("a verification", () => {
  it.each([
    ["pack", flipAt(0.5)],
    ["index", shorten],
    ["piece", flipAt(0.5)],
  ] as const)("fails over a damaged %s and names it", async (kind, harm) => {
    const result = await damaged(keys[kind], harm, async () => {
      const { job } = await world.client.call(api.backups.verify, { backupId: backup.backupId, tier: "T4" });
      return (await waitForJob(world.client, job, world.signal)).result as VerificationResult;
    });
    expect(result.status).toBe("failed");
    expect(result.checks).toEqual([expect.objectContaining({ tier: "T0", status: "failed", differences: [expect.stringContaining(keys[kind])] as unknown })]);
    expect((await world.holdfast.newestBackup())?.verification?.status).toBe("failed");
  });
});

describe("catalog rebuild", () => {
  async function rebuild(): Promise<{ backups: number; refused: string[] }> {
    return rebuildCatalogFrom(parseConfig(world.yaml, world.configPath, {}), { repository: undefined, clock: systemClock, log: silentLog, signal: world.signal });
  }

  /** Valid JSON, valid schema, and a signature that is not over this body. */
  const forge = (change: (text: string) => string): Harm => async (path) => writeFile(path, change(await readFile(path, "utf8")));

  it("refuses forged documents by name, and takes them again once they are as they were", async () => {
    await world.stopUp();
    const forgedManifest = forge((text) => text.replace('"name":"shop"', '"name":"shot"'));
    const first = await damaged(keys.manifest, forgedManifest, rebuild);
    expect(first.backups).toBe(0);
    expect(first.refused).toEqual([expect.stringMatching(new RegExp(`^${keys.manifest}: .*signature`))]);
    const second = await damaged(keys.segment, forge((text) => text.replace(/"groupCount":\d+/, '"groupCount":99')), rebuild);
    expect(second.backups).toBe(1);
    expect(second.refused).toEqual([expect.stringMatching(new RegExp(`^${keys.segment}: .*signature`))]);
    // One signature over another signed body is none either.
    const other = JSON.parse(await readFile(pathOf(keys.segment), "utf8")) as { signature: unknown };
    const swapped = await damaged(keys.manifest, forge((text) => JSON.stringify({ ...(JSON.parse(text) as object), signature: other.signature })), rebuild);
    expect(swapped.refused).toEqual([expect.stringContaining(keys.manifest)]);
    expect(await rebuild()).toMatchObject({ backups: 1, refused: [] });
    expectNothingLeft(world);
  });
});
