import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Connection } from "mysql2/promise";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startRestoredShop, waitForJob } from "../../src/demo/holdfast.ts";
import { Ledger } from "../../src/demo/ledger.ts";
import { createShop, fillShop, readShop } from "../../src/demo/shop.ts";
import type { HoldfastError } from "../../src/lib/errors.ts";
import { api } from "../../src/model/api/index.ts";
import type { Backup } from "../../src/model/backup.ts";
import { type CheckResult, checkResultSchema } from "../../src/model/check.ts";
import { backupPrefix, type LogSegment, manifestKey, segmentKey } from "../../src/model/manifest.ts";
import { comparePositions } from "../../src/model/position.ts";
import type { RestoreGoal } from "../../src/model/restore.ts";
import type { VerificationResult } from "../../src/model/verification.ts";
import { expectNothingLeft } from "../fixtures/invariants.ts";
import { cut, flip, type Lie, LyingStorage, repeat, repeatInPlace, slow, swapWith } from "../fixtures/lying-storage.ts";
import { type HoldfastWorld, startWorld } from "../fixtures/world.ts";

const liar = new LyingStorage();
let world: HoldfastWorld;
let connection: Connection;
let backup: Backup;
let logSegment: LogSegment;
let keys: Record<"pack" | "index" | "manifest" | "piece" | "pieceIndex" | "segment", string>;

beforeAll(async () => {
  // No tails are kept that could come back: here the log itself is what is damaged.
  world = await startWorld({ shipEvery: "300ms", wrapStorage: liar.wrap, settings: { keepReplacedMs: 0 } });
  connection = await world.connect();
  await createShop(connection);
  await fillShop(connection, new Ledger(), { firstId: 1, count: 500 });
  backup = await world.holdfast.backUp("full");
  await fillShop(connection, new Ledger(), { firstId: 10_000, count: 200 });
  await connection.query("FLUSH BINARY LOGS");
  await world.holdfast.waitUntilShipped(await world.logPosition());
  keys = await keysOf(backup);
});

afterAll(async () => {
  await world.stop();
});
afterEach(() => {
  liar.tellTruth();
});

async function keysOf({ instanceId, backupId }: Backup): Promise<typeof keys> {
  const prefix = backupPrefix(instanceId, backupId);
  const log = (await world.holdfast.plan({ kind: "latest" })).segments[0]!;
  const { segment } = log;
  logSegment = segment;
  return {
    pack: `${prefix}000000.zst.age`,
    index: `${prefix}index.zst.age`,
    manifest: manifestKey(instanceId, backupId),
    piece: `${log.prefix}${segment.object.name}`,
    pieceIndex: `${log.prefix}${segment.index.name}`,
    segment: segmentKey(segment.instanceId, segment.timeline, segment.segmentId),
  };
}

async function check(): Promise<CheckResult> {
  const { job } = await world.client.call(api.system.checkRepository, { repository: "main", depth: "hash" });
  return checkResultSchema.parse((await waitForJob(world.client, job, world.signal)).result);
}

async function refusal(work: Promise<unknown>): Promise<HoldfastError> {
  return work.then(
    () => {
      throw new Error("it was not refused");
    },
    (error: unknown) => error as HoldfastError,
  );
}

const KINDS = ["pack", "index", "manifest", "piece", "pieceIndex", "segment"] as const;
const middle = flip((sizeBytes) => sizeBytes >> 1);
/** Each with another object of the same repository, so that a swap is one of objects that are whole in themselves. */
const other: Record<(typeof KINDS)[number], (typeof KINDS)[number]> = { pack: "index", index: "pack", manifest: "segment", piece: "pieceIndex", pieceIndex: "piece", segment: "manifest" };
const LIES: readonly (readonly [string, (kind: (typeof KINDS)[number]) => Lie])[] = [
  ["flips a bit of", () => middle],
  ["cuts the end of", () => cut(1)],
  ["cuts almost all of", () => cut(1_000_000_000)],
  ["repeats a run of", () => repeat(16)],
  ["repeats a run in the place of another in", () => repeatInPlace(64)],
  ["gives another object for", (kind) => swapWith(keys[other[kind]])],
];

describe("a repository that", () => {
  it("delays is waited for: nothing is wrong with it, and a restore comes to its end", async () => {
    for (const kind of KINDS) liar.tell(keys[kind], slow(400));
    const { problems, read } = await check();
    expect(problems).toEqual([]);
    expect(read.objects).toBeGreaterThanOrEqual(KINDS.length);
    const target = join(world.rootDir, "delayed");
    await world.holdfast.restore({ kind: "backup", backupId: backup.backupId }, target);
    await rm(target, { recursive: true });
  });

  it.each(LIES.map(([what], shift) => [what, shift] as const))("%s its packs is found by the check, and so is every other lie about every other object: exactly those are named", async (_what, shift) => {
    // In each round every kind of object has another lie told about it, so that six rounds are all pairs.
    for (const [place, kind] of KINDS.entries()) liar.tell(keys[kind], LIES[(place + shift) % LIES.length]![1](kind));
    const { problems } = await check();
    liar.tellTruth();
    expect(problems.map(({ key }) => key).sort()).toEqual(Object.values(keys).sort());
    for (const { key, owner } of problems) {
      const isOfBackup = [keys.pack, keys.index, keys.manifest].includes(key);
      expect(owner, key).toEqual(isOfBackup ? `backup:${backup.backupId}` : expect.stringMatching(/^segment:/));
    }
    expect((await check()).problems).toEqual([]);
  });

  it.each([
    ...LIES.flatMap(([what, lie]) => (["pack", "index"] as const).map((kind) => [what, kind, lie] as const)),
    // The log is fetched behind the prepared backup: these take longer.
    ...LIES.slice(0, 2).map(([what, lie]) => [what, "piece", lie] as const),
  ])("%s a %s gets no restore out of it, and is named", async (_what, kind, lie) => {
    const goal: RestoreGoal = kind === "piece" ? { kind: "latest" } : { kind: "backup", backupId: backup.backupId };
    const error = await liar.during(keys[kind], lie(kind), () => refusal(world.holdfast.restore(goal, join(world.rootDir, "refused"))));
    expect(["OBJECT_DAMAGED", "KEY_WRONG", "STREAM_DAMAGED"]).toContain(error.code);
    expect(error.message).toContain(keys[kind].split("/").at(-1));
    await expect(stat(join(world.rootDir, "refused"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("says where: the header, or the encrypted chunk with its stored bytes; the field of a document", async () => {
    const { problems: head } = await liar.during(keys.pack, flip(() => 25), check);
    expect(head[0]?.detail).toContain("age header is altered");
    const { problems: first } = await liar.during(keys.pack, flip(() => 1_000), check);
    expect(first[0]?.detail).toMatch(/encrypted chunk 0 \(stored bytes \d+ to \d+\) of \d+ is altered/);
    const { problems: last } = await liar.during(keys.pack, flip((sizeBytes) => sizeBytes - 1), check);
    const [, chunk, end, count] = /encrypted chunk (\d+) \(stored bytes \d+ to (\d+)\) of (\d+) is altered/.exec(last[0]?.detail ?? "") ?? [];
    expect([Number(chunk) + 1, Number(end) + 1]).toEqual([Number(count), (await stat(join(world.repositoryPath, keys.pack))).size]);
    const { problems: swapped } = await liar.during(keys.piece, swapWith(keys.pieceIndex), check);
    expect(swapped[0]?.detail).toContain(`it holds what belongs at ${keys.pieceIndex}`);
    const { problems: document } = await liar.during(keys.manifest, (bytes) => Buffer.from(bytes.toString("utf8").replace('"name":"shop"', '"name":"shot"')), check);
    expect(document[0]?.detail).toContain('its signature does not match its content; body.instance.name is "shot", not "shop"');
    expect((await check()).problems).toEqual([]);
  });

  it("lies to a verification makes it fail by the object's name, and only for as long", async () => {
    const result = await liar.during(keys.pack, middle, async () => {
      const { job } = await world.client.call(api.backups.verify, { backupId: backup.backupId, tier: "T0" });
      return (await waitForJob(world.client, job, world.signal)).result as VerificationResult;
    });
    expect(result.checks).toEqual([expect.objectContaining({ tier: "T0", status: "failed", differences: [expect.stringContaining(keys.pack)] as unknown })]);
    const { job } = await world.client.call(api.backups.verify, { backupId: backup.backupId, tier: "T0" });
    expect(((await waitForJob(world.client, job, world.signal)).result as VerificationResult).status).toBe("passed");
  });
});

describe("once a check has found damage", () => {
  let newer: Backup;
  let newerPack: string;

  beforeAll(async () => {
    newer = await world.holdfast.backUp("full");
    newerPack = `${backupPrefix(newer.instanceId, newer.backupId)}000000.zst.age`;
    await fillShop(connection, new Ledger(), { firstId: 20_000, count: 100 });
    await world.holdfast.waitUntilShipped(await world.logPosition());
    liar.tell(newerPack, middle);
    expect((await check()).problems).toEqual([expect.objectContaining({ key: newerPack })]);
  });

  it("a restore takes the full before and more log, says so, and has every row", async () => {
    expect((await world.holdfast.plan({ kind: "backup", backupId: backup.backupId })).passedOver).toEqual([]);
    const plan = await world.holdfast.plan({ kind: "latest" });
    expect(plan.chain.map(({ backupId }) => backupId)).toEqual([backup.backupId]);
    expect(plan.passedOver).toEqual([{ subject: `backup:${newer.backupId}`, message: expect.stringContaining(newerPack) as unknown }]);
    expect(plan.warnings.join()).toContain(newerPack);
    liar.tell(newerPack, middle);
    const target = join(world.rootDir, "around");
    await world.holdfast.restore({ kind: "latest" }, target);
    const shop = await startRestoredShop(world, target);
    expect(await readShop(shop.connection)).toEqual(await readShop(connection));
    await shop.stop();
    await rm(target, { recursive: true });
  });

  it("the next incremental builds on the sound one before, and the damaged one is refused by name", async () => {
    const incremental = await world.holdfast.backUp("incremental");
    expect(incremental.parentId).toBe(backup.backupId);
    const error = await refusal(world.holdfast.plan({ kind: "backup", backupId: newer.backupId }));
    expect(error).toMatchObject({ code: "OBJECT_DAMAGED", message: expect.stringContaining(newerPack) as unknown, hint: expect.stringContaining("holdfast repository check") as unknown });
  });

  it("the coverage does not claim damaged log, and an instant in it is refused by the object's name, until it is whole again", async () => {
    const goal: RestoreGoal = { kind: "position", file: logSegment.file, position: logSegment.endPosition };
    const isClaimed = async (): Promise<boolean> =>
      (await world.holdfast.coverage()).intervals.some(({ from, to }) => comparePositions(from, goal) < 0 && comparePositions(goal, to) <= 0);
    expect(await isClaimed()).toBe(true);
    const error = await liar.during(keys.piece, middle, async () => {
      await check();
      expect(await isClaimed()).toBe(false);
      return refusal(world.holdfast.plan(goal));
    });
    expect(error).toMatchObject({ code: "OBJECT_DAMAGED", message: expect.stringContaining(keys.piece) as unknown });
    expect((await check()).problems).toEqual([]);
    expect(await isClaimed()).toBe(true);
    expect((await world.holdfast.plan(goal)).passedOver).toEqual([]);
  });

  it("a check that is stopped in the middle goes on where it was when Holdfast runs again, and says so", async () => {
    const reached = Promise.withResolvers<undefined>();
    const never = new Promise<Buffer>(() => undefined);
    liar.tell(keys.segment, () => {
      reached.resolve(undefined);
      return never;
    });
    const asked = await world.client.call(api.system.checkRepository, { repository: "main", depth: "hash" });
    expect(asked.continued).toBeNull();
    await reached.promise;
    await world.stopUp();
    liar.tellTruth();
    await world.startUp();
    const again = await world.client.call(api.system.checkRepository, { repository: "main", depth: "hash" });
    expect(again.job.jobId).toBe(asked.job.jobId);
    const result = checkResultSchema.parse((await waitForJob(world.client, again.job, world.signal)).result);
    expect(result.continued?.objects).toBeGreaterThanOrEqual(3);
    expect([result.problems, result.read.objects > (result.continued?.objects ?? 0)]).toEqual([[], true]);
  });

  it("leaves nothing behind", async () => {
    await world.stopUp();
    expectNothingLeft(world);
  });
});
