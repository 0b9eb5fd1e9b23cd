import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockedStorage } from "../../test/fakes/locked-storage.ts";
import { findBackup } from "../catalog/backups.ts";
import { doomObjects } from "../catalog/pieces-in-work.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { ObjectLock, Storage } from "../storage/storage.ts";
import { keysOf, openWorld, sha256, storeBackup, storePiece, submit, type World } from "./control.fixture.ts";
import { surveyRepository } from "./check-survey.ts";
import { claim } from "./dispatch.ts";
import { tryRepository } from "./doctor-repository.ts";
import { finishAttempt } from "./finish.ts";
import { placeHold, releaseHolds } from "./holds.ts";
import { lockParents } from "./lock-committed.ts";
import { commitPiece } from "./commit-piece.ts";
import { openRepository } from "./open-repository.ts";
import type { ControlPorts } from "./ports.ts";
import { deleteDoomedObjects, sweepDeadAttempts } from "./sweep.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let world: World;
let storage: Storage & { lock: ObjectLock };
let ports: ControlPorts;
beforeEach(async () => {
  await open();
});
afterEach(() => world.close());

async function open(policy: Record<string, unknown> = {}): Promise<void> {
  world = await openWorld(policy);
  storage = lockedStorage(world.storage, { clock: world.ports.clock, uncommittedMs: 3 * DAY_MS, committedMs: 30 * DAY_MS });
  world.storage = storage;
  ports = { ...world.ports, storages: new Map([["main", storage]]) };
  world.ports = ports;
  world.dispatcher = { ...world.dispatcher, ports };
}

const start = async (params: Parameters<typeof submit>[1]) => (await claim(world.dispatcher, { agent: "a", jobId: (await submit(world, params)).jobId }))!;

/** Days until each key's lock ends, counted from now. */
async function lockDays(keys: readonly string[]): Promise<number[]> {
  return Promise.all(keys.map(async (key) => ((await storage.lock.state(key)).lockedUntilMs! - world.ports.clock.nowMs()) / DAY_MS));
}

describe("in a repository with locks", () => {
  it("a commit locks every object of a backup, the manifest too, for the repository's period", async () => {
    const order = await start({ kind: "backup", backupKind: "full" });
    const report = await storeBackup(world, order);
    expect(await lockDays(await keysOf(storage, world.instanceId))).toEqual([3, 3, 3]);
    world.pass(20_000);
    await finishAttempt(ports, world.dispatcher, order, { status: "done", report });
    expect(await lockDays(await keysOf(storage, world.instanceId))).toEqual([30, 30, 30, 30]);
  });

  it("or for the policy's, when it says one", async () => {
    await world.close();
    await open({ lockFor: "90d" });
    const order = await start({ kind: "backup", backupKind: "full" });
    await finishAttempt(ports, world.dispatcher, order, { status: "done", report: await storeBackup(world, order) });
    expect(await lockDays(await keysOf(storage, world.instanceId))).toEqual([90, 90, 90, 90]);
  });

  /** Commits a backup; the incremental goes on where the full ended. */
  async function committed(kind: "full" | "incremental"): Promise<string> {
    const order = await start({ kind: "backup", backupKind: kind });
    const facts = kind === "full" ? {} : { fromLsn: "18446744073709551000", toLsn: "18446744073709551001" };
    await finishAttempt(ports, world.dispatcher, order, { status: "done", report: await storeBackup(world, order, facts) });
    return order.attemptId;
  }
  const keysOfBackup = async (id: string): Promise<string[]> => (await keysOf(storage, world.instanceId)).filter((key) => key.includes(id));

  it("what an incremental builds on is locked at least as long as it is, and not again for the next one", async () => {
    const full = await committed("full");
    world.pass(20 * DAY_MS);
    expect(await lockDays(await keysOfBackup(full))).toEqual([10, 10, 10, 10]);
    const incremental = await committed("incremental");
    expect(await lockDays(await keysOfBackup(incremental))).toEqual([30, 30, 30, 30]);
    expect(await lockDays(await keysOfBackup(full))).toEqual([33, 33, 33, 33]);
    world.pass(DAY_MS);
    const calls: string[] = [];
    const counting: Storage = { ...storage, lock: { ...storage.lock, extend: (key, untilMs) => storage.lock.extend(key, untilMs).then(() => void calls.push(key)) } };
    await lockParents({ ...ports, storages: new Map([["main", counting]]) }, { repository: "main", policy: "daily", parentId: incremental });
    expect(calls.sort()).toEqual(await keysOfBackup(incremental));
  });

  it("an incremental is committed all the same when an object of its parent has gone missing", async () => {
    const full = await committed("full");
    world.pass(20 * DAY_MS);
    const failing: Storage = { ...storage, lock: { ...storage.lock, extend: (key, untilMs) => (key.includes(full) ? Promise.reject(new HoldfastError("OBJECT_NOT_FOUND", "gone")) : storage.lock.extend(key, untilMs)) } };
    ports = { ...ports, storages: new Map([["main", failing]]) };
    expect(await keysOfBackup(await committed("incremental"))).toHaveLength(4);
  });

  it("a hold keeps the objects of a backup and of all it builds on, until nobody holds anything that needs them", async () => {
    const full = await committed("full");
    const incremental = await committed("incremental");
    const held = async (): Promise<number> => {
      const states = await Promise.all((await keysOf(storage, world.instanceId)).map((key) => storage.lock.state(key)));
      return states.filter(({ isHeld }) => isHeld).length;
    };
    await placeHold(ports, { backupId: incremental, reason: "court", by: "ann" });
    expect(await held()).toBe(8);
    await placeHold(ports, { backupId: full, reason: "audit", by: "ann" });
    await releaseHolds(ports, { backupId: incremental, by: "bob" });
    expect(await held()).toBe(4);
    world.pass(100 * DAY_MS);
    await expect(storage.delete(await keysOfBackup(full))).rejects.toMatchObject({ code: "OBJECT_LOCKED" });
    await releaseHolds(ports, { backupId: full, by: "bob" });
    expect(await held()).toBe(0);
  });

  it("no hold is written down that the store did not take", async () => {
    const full = await committed("full");
    const failing: Storage = { ...storage, lock: { ...storage.lock, hold: async () => Promise.reject(new Error("no hold")) } };
    await expect(placeHold({ ...ports, storages: new Map([["main", failing]]) }, { backupId: full, reason: "court", by: "ann" })).rejects.toThrow("no hold");
    expect((await findBackup(ports.catalog.db, full)).holds).toEqual([]);
    expect(await keysOf(storage, "_control/holds")).toEqual([]);
  });

  it("no manifest is written while an object of its backup cannot be locked", async () => {
    const order = await start({ kind: "backup", backupKind: "full" });
    const report = await storeBackup(world, order);
    const failing: Storage = { ...storage, lock: { ...storage.lock, extend: async () => Promise.reject(new Error("no lock")) } };
    const call = finishAttempt({ ...ports, storages: new Map([["main", failing]]) }, world.dispatcher, order, { status: "done", report });
    await expect(call).rejects.toThrow("no lock");
    expect(await keysOf(storage, world.instanceId)).toHaveLength(3);
  });

  it("a segment of log is locked for its period, a tail only as it was stored", async () => {
    const order = await start({ kind: "ship" });
    const tail = await storePiece(world, order, { startPosition: 100, endPosition: 200 });
    await commitPiece(ports, order, tail);
    expect(await lockDays(await keysOf(storage, world.instanceId))).toEqual([3, 3, 3]);
    const segment = await storePiece(world, order, { kind: "segment", startPosition: 100, endPosition: 200, replaces: [tail.segmentId] });
    await commitPiece(ports, order, segment);
    const keys = await keysOf(storage, world.instanceId);
    expect(await lockDays(keys.filter((key) => key.includes(segment.segmentId)))).toEqual([30, 30, 30]);
  });

  it("replaced tails wait for the end of their lock, and go then, documents first", async () => {
    const order = await start({ kind: "ship" });
    const tail = await storePiece(world, order, { startPosition: 100, endPosition: 200 });
    await commitPiece(ports, order, tail);
    const segment = await storePiece(world, order, { kind: "segment", startPosition: 100, endPosition: 200, replaces: [tail.segmentId] });
    await commitPiece(ports, order, segment);
    expect((await keysOf(storage, world.instanceId)).filter((key) => key.includes(tail.segmentId))).toHaveLength(3);
    world.pass(HOUR_MS);
    expect(await deleteDoomedObjects(ports)).toBe(0);
    world.pass(3 * DAY_MS);
    expect(await deleteDoomedObjects(ports)).toBe(3);
    expect((await keysOf(storage, world.instanceId)).every((key) => key.includes(segment.segmentId))).toBe(true);
  });

  it("data does not go before its document, and what is not locked does not wait for either", async () => {
    const keys = ["i/logs/t/AAA.json", "i/logs/t/AAA.zst.age", "i/logs/t/BBB.zst.age"];
    for (const key of keys) await storage.put(key, [Buffer.from("x")], { sizeBytes: 1, sha256: sha256("x") });
    world.pass(3 * DAY_MS + 1);
    await storage.lock.extend(keys[0]!, world.ports.clock.nowMs() + DAY_MS);
    await doomObjects(ports.catalog.db, keys.map((key, number) => ({ key, repository: "main", rank: number === 0 ? 0 : 1 })));
    expect(await deleteDoomedObjects(ports)).toBe(1);
    expect(await keysOf(storage, "i/")).toEqual(keys.slice(0, 2));
    world.pass(DAY_MS + 1);
    expect(await deleteDoomedObjects(ports)).toBe(2);
  });

  it("a dead attempt's objects go when their locks have ended, and the sweep of others goes on meanwhile", async () => {
    const dead = await start({ kind: "backup", backupKind: "full" });
    await storeBackup(world, dead);
    await finishAttempt(ports, world.dispatcher, dead, { status: "failed", error: { code: "TOOL_FAILED", message: "No.", hint: "Look.", details: {} } });
    world.pass(2 * HOUR_MS);
    expect((await sweepDeadAttempts(ports)).keys).toEqual([]);
    expect(await keysOf(storage, world.instanceId)).toHaveLength(3);
    world.pass(3 * DAY_MS);
    expect((await sweepDeadAttempts(ports)).keys).toHaveLength(3);
    expect(await keysOf(storage, world.instanceId)).toEqual([]);
  });

  it("a check knows what waits for the end of its lock: replaced tails, a dead attempt's objects, the doctor's", async () => {
    await openRepository(ports, storage);
    const dead = await start({ kind: "backup", backupKind: "full" });
    await storeBackup(world, dead);
    await finishAttempt(ports, world.dispatcher, dead, { status: "failed", error: { code: "TOOL_FAILED", message: "No.", hint: "Look.", details: {} } });
    const order = await start({ kind: "ship" });
    const tail = await storePiece(world, order, { startPosition: 100, endPosition: 200 });
    await commitPiece(ports, order, tail);
    await commitPiece(ports, order, await storePiece(world, order, { kind: "segment", startPosition: 100, endPosition: 200, replaces: [tail.segmentId] }));
    await tryRepository(ports.newId, "repository main", storage);
    world.pass(2 * HOUR_MS);
    await sweepDeadAttempts(ports);
    // 3 of the dead attempt, 3 of the tail, 3 of the segment.
    expect(await keysOf(storage, world.instanceId)).toHaveLength(9);
    expect(await keysOf(storage, "_control/doctor/")).toHaveLength(1);
    const survey = await surveyRepository(ports, "main", "hash");
    expect({ unknown: survey.unknown, forged: survey.forged, seen: [...survey.seen] }).toEqual({ unknown: [], forged: [], seen: [] });
  });

  it("doctor says what was tried, and cleans up when the lock has ended", async () => {
    const [tried] = await tryRepository(ports.newId, "repository main", storage);
    expect(tried).toMatchObject({ status: "ok", message: expect.stringMatching(/delete it, shorten its lock.*all refused/) as string });
    expect(await keysOf(storage, "_control/doctor/")).toHaveLength(1);
    world.pass(3 * DAY_MS + 1);
    await tryRepository(ports.newId, "repository main", storage);
    expect(await keysOf(storage, "_control/doctor/")).toHaveLength(1);
  });

  it("doctor warns of locks that its own credentials can break, and refuses a storage that overwrites", async () => {
    const weak: Storage = { ...storage, lock: { ...storage.lock, tryToBreak: async () => [{ attempt: "delete it", isRefused: true }, { attempt: "delete it with the right to bypass", isRefused: false }] } };
    expect(await tryRepository(ports.newId, "repository main", weak)).toMatchObject([{ status: "warning", message: expect.stringContaining("possible to delete it with the right to bypass") as string }]);
    const careless: Storage = { ...storage, put: async (key, body, options) => ((await storage.stat(key)) === null ? storage.put(key, body, options) : { key, sizeBytes: options.sizeBytes }) };
    await expect(tryRepository(ports.newId, "repository main", careless)).rejects.toMatchObject({ code: "STORAGE_UNSUITABLE" });
  });
});
