import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listFindings } from "../catalog/findings.ts";
import { pieceSpans, piecesFrom } from "../catalog/segments.ts";
import type { Order } from "../model/job.ts";
import { logPrefix, SEGMENT_KIND, segmentKey } from "../model/manifest.ts";
import { verifySigned } from "../lib/signing.ts";
import { commitPiece } from "./commit-piece.ts";
import { keysOf, openWorld, storeBackup, storePiece, submit, type World } from "./control.fixture.ts";
import { claim } from "./dispatch.ts";
import { finishAttempt } from "./finish.ts";
import { recoverAtStart } from "./loops.ts";
import type { ControlPorts } from "./ports.ts";
import { readDocument } from "./stored-document.ts";
import { sweepLogGrants } from "./sweep.ts";

describe("the commit of a piece of log", () => {
  let world: World;
  let order: Order;
  let timeline: string;
  beforeEach(async () => {
    world = await openWorld();
    await recoverAtStart(world.dispatcher);
    order = await ship();
    timeline = order.work.kind === "ship" ? order.work.timeline : "";
  });
  afterEach(() => world.close());
  const ship = async (): Promise<Order> => {
    const { jobId } = await submit(world, { kind: "ship" });
    return (await claim(world.dispatcher, { agent: "a", jobId }))!;
  };
  const prefix = (): string => logPrefix(world.instanceId, timeline);
  const spans = async () => (await pieceSpans(world.ports.catalog.db, world.instanceId)).map(({ kind, startPosition, endPosition }) => [kind, startPosition, endPosition]);
  const commit = async (span: Parameters<typeof storePiece>[2]) => {
    const piece = await storePiece(world, order, span);
    await commitPiece(world.ports, order, piece);
    return piece;
  };
  const withPut = (fault: "before" | "after"): ControlPorts => {
    const { storage } = world;
    const put: typeof storage.put = async (key, body, options) => {
      const stored = fault === "after" ? await storage.put(key, body, options) : undefined;
      if (key.endsWith(".json") || stored === undefined) throw new Error("crash");
      return stored;
    };
    const broken = { put, get: storage.get.bind(storage), stat: storage.stat.bind(storage), list: storage.list.bind(storage), delete: storage.delete.bind(storage), leftovers: storage.leftovers.bind(storage), describe: () => "broken" };
    return { ...world.ports, storages: new Map([["main", broken]]) };
  };

  it("stores a signed document beside the objects and takes the arrival from the server's clock", async () => {
    const piece = await commit({ startPosition: 0, endPosition: 100 });
    const key = segmentKey(world.instanceId, timeline, piece.segmentId);
    const segment = verifySigned(JSON.parse(await readDocument(world.storage, key)) as never, { kind: SEGMENT_KIND, publicKey: world.ports.signer.publicKey, name: key });
    expect(segment).toMatchObject({ kind: "tail", timeline, arrivals: [{ endPosition: 100, at: "2026-05-01T00:00:00.000Z" }] });
    expect(await keysOf(world.storage, prefix())).toHaveLength(3);
  });

  it("ends what failed before it: the next failure of shipping has the short pause of a first one", async () => {
    const failed = { status: "failed", error: { code: "STORAGE_FAILED", message: "It failed.", hint: "Try.", details: {} } } as const;
    const again = async (pauseMs: number): Promise<void> => {
      await finishAttempt(world.ports, world.dispatcher, order, failed);
      world.pass(pauseMs);
      order = (await claim(world.dispatcher, { agent: "a" }))!;
    };
    for (const pauseMs of [5_000, 10_000, 20_000]) await again(pauseMs);
    await commit({ startPosition: 0, endPosition: 100 });
    await again(5_000);
    expect(order).not.toBeNull();
  });

  it("replaces tails by the segment that holds their bytes and keeps their arrivals", async () => {
    const first = await commit({ startPosition: 0, endPosition: 100 });
    world.pass(10_000);
    const second = await commit({ startPosition: 100, endPosition: 200 });
    world.pass(10_000);
    const merged = await commit({ kind: "segment", startPosition: 0, endPosition: 260, closesFile: true, replaces: [first.segmentId, second.segmentId] });
    expect(await spans()).toEqual([["segment", 0, 260]]);
    // The tails are pieces no more, but stored for a while.
    for (const { segmentId } of [first, second, merged]) expect(await keysOf(world.storage, `${prefix()}${segmentId}`)).toHaveLength(3);
    const [ref] = await piecesFrom(world.ports.catalog.db, { instanceId: world.instanceId, timeline, fromFile: 0 });
    expect(ref?.segment.arrivals).toEqual([
      { endPosition: 100, at: "2026-05-01T00:00:00.000Z" },
      { endPosition: 200, at: "2026-05-01T00:00:10.000Z" },
      { endPosition: 260, at: "2026-05-01T00:00:20.000Z" },
    ]);
  });

  it("keeps the tails when the stored segment is not what was reported", async () => {
    const tail = await commit({ startPosition: 0, endPosition: 100 });
    const merged = await storePiece(world, order, { kind: "segment", startPosition: 0, endPosition: 100, replaces: [tail.segmentId] });
    const lying = { ...merged, object: { ...merged.object, sha256: "0".repeat(64) } };
    await expect(commitPiece(world.ports, order, lying)).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
    expect(await spans()).toEqual([["tail", 0, 100]]);
  });

  it("refuses bytes that are stored already, and a merge that names a tail outside it", async () => {
    await commit({ startPosition: 0, endPosition: 100 });
    const outside = await commit({ startPosition: 200, endPosition: 300 });
    const conflict = { code: "CONFLICT" };
    await expect(commit({ startPosition: 50, endPosition: 150 })).rejects.toMatchObject(conflict);
    await expect(commit({ kind: "segment", startPosition: 50, endPosition: 150 })).rejects.toMatchObject(conflict);
    await expect(commit({ kind: "segment", startPosition: 0, endPosition: 150, replaces: [outside.segmentId] })).rejects.toMatchObject(conflict);
    expect(await spans()).toEqual([["tail", 0, 100], ["tail", 200, 300]]); // prettier-ignore
  });

  it("answers a second report of the same piece like the first and refuses other content under its id", async () => {
    const piece = await storePiece(world, order, { startPosition: 0, endPosition: 100 });
    const first = await commitPiece(world.ports, order, piece);
    world.pass(10_000);
    expect(await commitPiece(world.ports, order, piece)).toEqual(first);
    await expect(commitPiece(world.ports, order, { ...piece, plainSha256: "0".repeat(64) })).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it.each(["before", "after"] as const)("is finished at the next start after a crash %s its document was stored", async (fault) => {
    const tail = await commit({ startPosition: 0, endPosition: 100 });
    const piece = await storePiece(world, order, { kind: "segment", startPosition: 0, endPosition: 160, replaces: [tail.segmentId] });
    await expect(commitPiece(withPut(fault), order, piece)).rejects.toThrow("crash");
    expect(await spans()).toEqual([["tail", 0, 100]]);
    await world.restart();
    await recoverAtStart(world.dispatcher);
    expect(await spans()).toEqual([["segment", 0, 160]]);
    expect(await commitPiece(world.ports, order, piece)).toEqual({ committedAt: "2026-05-01T00:00:00.000Z" });
    for (const { segmentId } of [tail, piece]) expect(await keysOf(world.storage, `${prefix()}${segmentId}`)).toHaveLength(3);
  });

  it("refuses a missing object, a stale lease, other data and an ended timeline", async () => {
    const piece = await storePiece(world, order, { startPosition: 0, endPosition: 100 });
    await expect(commitPiece(world.ports, { ...order, fencingToken: 0 }, piece)).rejects.toMatchObject({ code: "LEASE_LOST" });
    await commitPiece(world.ports, order, piece);
    const lost = await storePiece(world, order, { startPosition: 100, endPosition: 200 });
    await world.storage.delete([`${prefix()}${lost.index.name}`]);
    await expect(commitPiece(world.ports, order, lost)).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
    await expect(commit({ startPosition: 100, endPosition: 200, dataIdentity: "uid-2" })).rejects.toMatchObject({ code: "LINEAGE_CHANGED" });
    const { jobId } = await submit(world, { kind: "backup", backupKind: "full" });
    const full = (await claim(world.dispatcher, { agent: "a", jobId }))!;
    await finishAttempt(world.ports, world.dispatcher, full, { status: "done", report: await storeBackup(world, full, { dataIdentity: "uid-2" }) });
    await expect(commit({ startPosition: 100, endPosition: 200 })).rejects.toMatchObject({ code: "LINEAGE_CHANGED" });
  });

  it("closes the finding about shipping when log arrives again", async () => {
    await finishAttempt(world.ports, world.dispatcher, order, { status: "failed", error: { code: "DATABASE_LOGIN", message: "No.", hint: "Look.", details: {} } });
    expect(await listFindings(world.ports.catalog.db, { all: false })).toHaveLength(1);
    order = await ship();
    await commit({ startPosition: 0, endPosition: 100 });
    expect(await listFindings(world.ports.catalog.db, { all: false })).toEqual([]);
  });

  it("sweeps granted objects that never became a piece, and refuses to commit them afterwards", async () => {
    const kept = await commit({ startPosition: 0, endPosition: 100 });
    const orphan = await storePiece(world, order, { startPosition: 100, endPosition: 200 });
    expect((await sweepLogGrants(world.ports)).keys).toEqual([]);
    world.pass(2 * 3_600_000);
    const stuck: ControlPorts = { ...world.ports, storages: new Map() };
    await expect(sweepLogGrants(stuck)).rejects.toMatchObject({ code: "NOT_FOUND" });
    // Given up, though still stored: what is decided in the catalog counts.
    await expect(commitPiece(world.ports, order, orphan)).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
    await sweepLogGrants(world.ports);
    expect((await keysOf(world.storage, prefix())).every((key) => key.includes(kept.segmentId))).toBe(true);
    await expect(commitPiece(world.ports, order, orphan)).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
  });
});
