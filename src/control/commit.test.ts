import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findAttempt } from "../catalog/attempts.ts";
import { listBackups } from "../catalog/backups.ts";
import { listFindings } from "../catalog/findings.ts";
import { findJob, openJobs } from "../catalog/jobs.ts";
import { HoldfastError } from "../lib/errors.ts";
import { verifySigned } from "../lib/signing.ts";
import type { Order } from "../model/job.ts";
import { type Manifest, MANIFEST_KIND, manifestKey } from "../model/manifest.ts";
import { passThrough } from "../storage/pass-through.ts";
import type { Storage } from "../storage/storage.ts";
import { commitBackup } from "./commit.ts";
import { keysOf, openWorld, storeBackup, submit, type World } from "./control.fixture.ts";
import { claim } from "./dispatch.ts";
import { finishAttempt } from "./finish.ts";
import { recoverAtStart } from "./loops.ts";
import type { ControlPorts } from "./ports.ts";
import { reapExpired } from "./reaper.ts";
import { readDocument, writeDocument } from "./stored-document.ts";
import { sweepDeadAttempts } from "./sweep.ts";

/** The same storage, cut off by a crash before or after the write of a key that ends like this. */
function crashing(storage: Storage, when: "list" | "before" | "after", suffix: string): Storage {
  return passThrough(storage, {
    put: async (key, body, options) => {
      if (when === "before" && key.endsWith(suffix)) throw new Error("crash");
      const stored = await storage.put(key, body, options);
      if (when === "after" && key.endsWith(suffix)) throw new Error("crash");
      return stored;
    },
    list: (prefix) => {
      if (when === "list") throw new Error("crash");
      return storage.list(prefix);
    },
  });
}

describe("the commit of a backup", () => {
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
    await recoverAtStart(world.dispatcher);
  });
  afterEach(() => world.close());
  const start = async (backupKind: "full" | "incremental"): Promise<Order> => {
    const { jobId } = await submit(world, { kind: "backup", backupKind });
    return (await claim(world.dispatcher, { agent: "a", jobId }))!;
  };
  const full = async (): Promise<Order> => {
    const order = await start("full");
    await finishAttempt(world.ports, world.dispatcher, order, { status: "done", report: await storeBackup(world, order) });
    return order;
  };
  const done = async (order: Order, facts: Parameters<typeof storeBackup>[2]) =>
    finishAttempt(world.ports, world.dispatcher, order, { status: "done", report: await storeBackup(world, order, facts) });

  it("writes a signed manifest last and lists the backup", async () => {
    const order = await full();
    const key = manifestKey(world.instanceId, order.attemptId);
    const manifest = verifySigned(JSON.parse(await readDocument(world.storage, key)) as never, { kind: MANIFEST_KIND, publicKey: world.ports.signer.publicKey, name: key });
    expect(manifest).toMatchObject({ backupId: order.attemptId, kind: "full", chainId: order.attemptId, recipients: ["age1recipient", "age1escrow"] } satisfies Partial<Manifest>);
    const [backup] = await listBackups(world.ports.catalog.db, { limit: 10 });
    expect(backup).toMatchObject({ backupId: order.attemptId, storedBytes: 22, packCount: 2, facts: { toLsn: "18446744073709551000" } });
    expect(await findJob(world.ports.catalog.db, order.jobId)).toMatchObject({ state: "succeeded", result: { backupId: order.attemptId } });
  });

  it("inserts the verification that the policy wants, once the log can have arrived", async () => {
    const order = await start("full");
    await done(order, { recordedPosition: { file: "bin.000001", position: 200, gtid: "0-1-2" } });
    const [job] = await openJobs(world.ports.catalog.db, world.instanceId, "verify");
    expect(job).toMatchObject({ subject: `T4 of ${order.attemptId}`, notBeforeMs: world.ports.clock.nowMs() + 25_000 });
  });

  const crashes: [string, (ports: ControlPorts, storage: Storage) => ControlPorts][] = [
    ["before anything was decided", (ports, storage) => ({ ...ports, storages: new Map([["main", crashing(storage, "list", "")]]) })],
    ["before the manifest was stored", (ports, storage) => ({ ...ports, storages: new Map([["main", crashing(storage, "before", "manifest.json")]]) })],
    ["after the manifest was stored", (ports, storage) => ({ ...ports, storages: new Map([["main", crashing(storage, "after", "manifest.json")]]) })],
    ["inside the last transaction", (ports) => ({ ...ports, newId: () => { throw new Error("crash"); } })], // prettier-ignore
  ];
  it.each(crashes)("ends the same after a crash %s", async (_name, crash) => {
    const order = await start("full");
    const report = await storeBackup(world, order);
    const broken = crash(world.ports, world.storage);
    // The timeline exists from the claim on, so only the verification's id is asked for in the last step.
    await expect(commitBackup(broken, order, report)).rejects.toThrow("crash");
    expect(await listBackups(world.ports.catalog.db, { limit: 10 })).toEqual([]);
    await world.restart();
    await recoverAtStart(world.dispatcher);
    expect(await finishAttempt(world.ports, world.dispatcher, order, { status: "done", report })).toEqual({ state: "succeeded" });
    expect(await finishAttempt(world.ports, world.dispatcher, order, { status: "done", report })).toEqual({ state: "succeeded" });
    const backups = await listBackups(world.ports.catalog.db, { limit: 10 });
    expect(backups.map(({ backupId }) => backupId)).toEqual([order.attemptId]);
    expect((await keysOf(world.storage, `${world.instanceId}/`)).filter((key) => key.endsWith("manifest.json"))).toHaveLength(1);
    expect(await openJobs(world.ports.catalog.db, world.instanceId, "verify")).toHaveLength(1);
  });

  it("is finished by the server alone when the agent does not come back after the decision", async () => {
    const order = await start("full");
    const broken = { ...world.ports, storages: new Map([["main", crashing(world.storage, "before", "manifest.json")]]) };
    await expect(commitBackup(broken, order, await storeBackup(world, order))).rejects.toThrow("crash");
    world.pass(3_600_000);
    expect(await reapExpired(world.ports, world.dispatcher.leases, world.dispatcher.settings)).toEqual([]);
    await world.restart();
    await recoverAtStart(world.dispatcher);
    expect(await listBackups(world.ports.catalog.db, { limit: 10 })).toHaveLength(1);
  });

  it.each<[string, (key: (name: string) => string) => Promise<void>, string]>([
    ["a pack is missing", (key) => world.storage.delete([key("000001.zst.age")]), "OBJECT_NOT_FOUND"],
    ["the index is missing", (key) => world.storage.delete([key("index.zst.age")]), "OBJECT_NOT_FOUND"],
    ["something lies there that was not reported", async (key) => { await world.storage.put(key("000002.zst.age"), [], { sizeBytes: 0, sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" }); }, "OBJECT_DAMAGED"], // prettier-ignore
  ])("fails the attempt when %s", async (_name, damage, code) => {
    const order = await start("full");
    const report = await storeBackup(world, order);
    await damage((name) => `${world.instanceId}/backups/${order.attemptId}/${name}`);
    await expect(finishAttempt(world.ports, world.dispatcher, order, { status: "done", report })).rejects.toMatchObject({ code });
    expect((await findAttempt(world.ports.catalog.db, order.attemptId)).state).toBe("failed");
    expect(await listBackups(world.ports.catalog.db, { limit: 10 })).toEqual([]);
    expect(await world.storage.stat(manifestKey(world.instanceId, order.attemptId))).toBeNull();
  });

  it("fails the attempt when a pack has another size than reported", async () => {
    const order = await start("full");
    const report = await storeBackup(world, order);
    const [first, ...rest] = report.packs;
    const lying = { ...report, packs: [{ ...first!, sizeBytes: 8 }, ...rest] };
    await expect(finishAttempt(world.ports, world.dispatcher, order, { status: "done", report: lying })).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
  });

  it("keeps an attempt whose repository does not answer, so that the agent can report again", async () => {
    const order = await start("full");
    const report = await storeBackup(world, order);
    const away: ControlPorts = { ...world.ports, storages: new Map() };
    await expect(finishAttempt({ ...away, storages: new Map([["main", { ...crashing(world.storage, "list", ""), list: () => { throw unavailable(); } }]]) }, world.dispatcher, order, { status: "done", report })).rejects.toMatchObject({ code: "STORAGE_FAILED" }); // prettier-ignore
    expect((await findAttempt(world.ports.catalog.db, order.attemptId)).state).toBe("running");
    expect(await finishAttempt(world.ports, world.dispatcher, order, { status: "done", report })).toEqual({ state: "succeeded" });
  });

  it("joins an incremental to its parent and refuses one that begins elsewhere or is of other data", async () => {
    const parent = await full();
    const child = await start("incremental");
    expect(child.work).toMatchObject({ backupKind: "incremental", parent: { backupId: parent.attemptId } });
    await done(child, { fromLsn: "18446744073709551000", toLsn: "18446744073709551001" });
    const [backup] = await listBackups(world.ports.catalog.db, { limit: 1 });
    expect(backup).toMatchObject({ kind: "incremental", parentId: parent.attemptId, chainId: parent.attemptId });
    // One off, beyond 2^53: as doubles both would be equal.
    await expect(done(await start("incremental"), { fromLsn: "18446744073709551000" })).rejects.toMatchObject({ code: "CHAIN_BROKEN" });
    await expect(done(await start("incremental"), { fromLsn: "18446744073709551001", dataIdentity: "uid-2" })).rejects.toMatchObject({ code: "LINEAGE_CHANGED" });
    expect(await listFindings(world.ports.catalog.db, { all: false })).toMatchObject([{ kind: "backup-failed" }]);
  });

  it("starts a timeline when a full is of other data or the log began anew", async () => {
    await full();
    await done(await start("full"), { logPosition: { file: "bin.000002", position: 4, gtid: "" } });
    await done(await start("full"), { logPosition: { file: "bin.000001", position: 4, gtid: "" } });
    await done(await start("full"), { dataIdentity: "uid-2", logPosition: { file: "bin.000009", position: 4, gtid: "" } });
    const timelines = (await listBackups(world.ports.catalog.db, { limit: 10 })).map(({ timeline }) => timeline).reverse();
    expect(timelines[1]).toBe(timelines[0]);
    expect(new Set(timelines).size).toBe(3);
  });

  it("closes the finding of failed backups when one succeeds", async () => {
    const order = await start("full");
    await finishAttempt(world.ports, world.dispatcher, order, { status: "failed", error: { code: "DATABASE_LOGIN", message: "No.", hint: "Look.", details: {} } });
    expect(await listFindings(world.ports.catalog.db, { all: false })).toHaveLength(1);
    await full();
    expect(await listFindings(world.ports.catalog.db, { all: false })).toEqual([]);
    expect(await listFindings(world.ports.catalog.db, { all: true })).toMatchObject([{ kind: "backup-failed", closedAt: expect.any(String) as string }]);
  });

  it("counts for nothing when the lease runs out while the objects are being checked", async () => {
    const order = await start("full");
    const report = await storeBackup(world, order);
    const { storage } = world;
    const slow: Storage = {
      ...crashing(storage, "after", "never"),
      list: async function* (prefix) {
        world.pass(61_000);
        await reapExpired(world.ports, world.dispatcher.leases, world.dispatcher.settings);
        world.pass(5_000);
        await claim(world.dispatcher, { agent: "b", jobId: order.jobId });
        yield* storage.list(prefix);
      },
    };
    const call = finishAttempt({ ...world.ports, storages: new Map([["main", slow]]) }, world.dispatcher, order, { status: "done", report });
    await expect(call).rejects.toMatchObject({ code: "LEASE_LOST" });
    expect((await findJob(world.ports.catalog.db, order.jobId)).attempts.map(({ state }) => state)).toEqual(["lost", "running"]);
    expect((await findJob(world.ports.catalog.db, order.jobId)).state).toBe("running");
    expect(await storage.stat(manifestKey(world.instanceId, order.attemptId))).toBeNull();
  });

  it("leaves a dead attempt's objects alone when a manifest lies among them", async () => {
    const dead = await start("full");
    await storeBackup(world, dead);
    await finishAttempt(world.ports, world.dispatcher, dead, { status: "failed", error: { code: "TOOL_FAILED", message: "No.", hint: "Look.", details: {} } });
    await writeDocument(world.storage, manifestKey(world.instanceId, dead.attemptId), "{}");
    world.pass(2 * 3_600_000);
    expect((await sweepDeadAttempts(world.ports)).keys).toEqual([]);
    expect(await keysOf(world.storage, `${world.instanceId}/backups/${dead.attemptId}/`)).toHaveLength(4);
  });

  it("sweeps what a dead attempt left after its last grant, and never a prefix with a manifest", async () => {
    const good = await full();
    const dead = await start("full");
    await storeBackup(world, dead);
    await finishAttempt(world.ports, world.dispatcher, dead, { status: "failed", error: { code: "TOOL_FAILED", message: "No.", hint: "Look.", details: {} } });
    expect((await sweepDeadAttempts(world.ports)).keys).toEqual([]);
    world.pass(2 * 3_600_000);
    expect((await sweepDeadAttempts(world.ports)).keys).toHaveLength(3);
    const left = await keysOf(world.storage, `${world.instanceId}/backups/`);
    expect(left).toHaveLength(4);
    expect(left.every((key) => key.includes(good.attemptId))).toBe(true);
  });
});

function unavailable(): Error {
  return new HoldfastError("STORAGE_FAILED", "The repository does not answer.");
}
