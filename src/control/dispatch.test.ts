import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listFindings } from "../catalog/findings.ts";
import { findJob, requestCancel, retryJob } from "../catalog/jobs.ts";
import { claim, knockDueJobs, mayStart } from "./dispatch.ts";
import { afterFailure } from "./end-attempt.ts";
import { finishAttempt } from "./finish.ts";
import { createGrants } from "./grants.ts";
import { openWorld, store, submit, type World } from "./control.fixture.ts";
import { reapExpired } from "./reaper.ts";

const progress = { phase: "copying", doneBytes: 5, totalBytes: 10, rateInBytesPerS: 1, rateOutBytesPerS: 1, etaMs: 5, message: "" };
const failed = (code: string) => ({ status: "failed", error: { code, message: "It failed.", hint: "Try.", details: {} } }) as const;

describe("dispatch", () => {
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());
  const take = (agent = "a") => claim(world.dispatcher, { agent });

  it("gives a job to one of many agents that ask at once", async () => {
    await submit(world, { kind: "backup", backupKind: "auto" });
    const orders = await Promise.all(["a", "b", "c", "d", "e"].map((agent) => take(agent)));
    expect(orders.filter((order) => order !== null)).toHaveLength(1);
  });

  it("never runs two backups of one instance at once", async () => {
    await submit(world, { kind: "backup", backupKind: "full" });
    await submit(world, { kind: "backup", backupKind: "full" });
    expect(await take()).not.toBeNull();
    expect(await take()).toBeNull();
  });

  it("keeps a kind within its limit and other instances' backups side by side", () => {
    const running = [{ kind: "backup", instanceId: "1" }, { kind: "verify", instanceId: "1" }];
    expect(mayStart({ kind: "backup", instanceId: "2" }, running, { backup: 2 })).toBe(true);
    expect(mayStart({ kind: "backup", instanceId: "2" }, running, { backup: 1 })).toBe(false);
    expect(mayStart({ kind: "verify", instanceId: "1" }, running, {})).toBe(true);
  });

  it("knocks again for what is due", async () => {
    const job = await submit(world, { kind: "probe" });
    world.knocks.length = 0;
    expect(await knockDueJobs(world.ports)).toBe(1);
    expect(world.knocks).toEqual([job.jobId]);
  });

  it("fails a job for which no order can be made, says why, and gives the next one", async () => {
    const impossible = await submit(world, { kind: "backup", backupKind: "incremental" });
    const probe = await submit(world, { kind: "probe" });
    expect((await take())?.jobId).toBe(probe.jobId);
    expect(await findJob(world.ports.catalog.db, impossible.jobId)).toMatchObject({ state: "failed", error: { code: "CHAIN_BROKEN" } });
    expect(await listFindings(world.ports.catalog.db, { all: false })).toMatchObject([{ kind: "backup-failed", subject: `instance:${world.instanceId}` }]);
  });

  it("gives the work of a silent agent away and refuses its old token everywhere", async () => {
    const job = await submit(world, { kind: "backup", backupKind: "full" });
    const first = (await take("slow"))!;
    world.pass(61_000);
    expect(await reapExpired(world.ports, world.dispatcher.leases, world.dispatcher.settings)).toEqual([first.attemptId]);
    expect(await take("fast")).toBeNull();
    world.pass(5_000);
    const second = (await take("fast"))!;
    expect(second.fencingToken).toBeGreaterThan(first.fencingToken);
    const lost = { code: "LEASE_LOST" };
    await expect(world.dispatcher.leases.heartbeat(first, null)).rejects.toMatchObject(lost);
    await expect(world.grants.put(first, [{ name: "000000.zst.age", sizeBytes: 1, sha256: "0".repeat(64) }])).rejects.toMatchObject(lost);
    await expect(finishAttempt(world.ports, world.dispatcher, first, { status: "cancelled" })).rejects.toMatchObject(lost);
    await expect(world.dispatcher.leases.heartbeat({ ...second, fencingToken: first.fencingToken }, null)).rejects.toMatchObject(lost);
    expect((await findJob(world.ports.catalog.db, job.jobId)).attempts.map(({ state }) => state)).toEqual(["lost", "running"]);
  });

  it("keeps a lease while heartbeats come and shows their progress once it is written", async () => {
    const job = await submit(world, { kind: "probe" });
    const order = (await take())!;
    for (let beat = 0; beat < 5; beat += 1) {
      world.pass(40_000);
      expect(await world.dispatcher.leases.heartbeat(order, progress)).toEqual({ leaseMs: 60_000, cancel: false });
      expect(await reapExpired(world.ports, world.dispatcher.leases, world.dispatcher.settings)).toEqual([]);
    }
    await world.dispatcher.leases.flush();
    expect((await findJob(world.ports.catalog.db, job.jobId)).attempts[0]?.progress).toEqual(progress);
  });

  it("gives an attempt of the process before one full lease after a restart, however long the server was down", async () => {
    await submit(world, { kind: "probe" });
    const order = (await take())!;
    world.pass(600_000);
    await world.restart();
    expect(await reapExpired(world.ports, world.dispatcher.leases, world.dispatcher.settings)).toEqual([]);
    world.pass(59_000);
    expect(await reapExpired(world.ports, world.dispatcher.leases, world.dispatcher.settings)).toEqual([]);
    await world.dispatcher.leases.heartbeat(order, null);
    world.pass(61_000);
    expect(await reapExpired(world.ports, world.dispatcher.leases, world.dispatcher.settings)).toEqual([order.attemptId]);
  });

  it("gives a job up after three attempts and runs it again when asked", async () => {
    const job = await submit(world, { kind: "probe" });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      world.pass(300_000);
      await finishAttempt(world.ports, world.dispatcher, (await take())!, failed("DATABASE_UNREACHABLE"));
    }
    world.pass(300_000);
    expect(await take()).toBeNull();
    expect((await findJob(world.ports.catalog.db, job.jobId)).state).toBe("failed");
    await retryJob(world.ports.catalog.db, job.jobId);
    expect((await take())?.jobId).toBe(job.jobId);
    expect((await findJob(world.ports.catalog.db, job.jobId)).attempts.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
  });

  it("does not try again what cannot get better by itself", async () => {
    const job = await submit(world, { kind: "probe" });
    expect(await finishAttempt(world.ports, world.dispatcher, (await take())!, failed("DATABASE_LOGIN"))).toEqual({ state: "failed" });
    expect((await findJob(world.ports.catalog.db, job.jobId)).error).toMatchObject({ code: "DATABASE_LOGIN", hint: "Try." });
  });

  it("tries shipping for ever, with a pause and a finding", async () => {
    await submit(world, { kind: "ship" });
    for (let attempt = 0; attempt < 6; attempt += 1) {
      world.pass(300_000);
      expect(await finishAttempt(world.ports, world.dispatcher, (await take())!, failed("DATABASE_UNREACHABLE"))).toEqual({ state: "due" });
      expect(await take()).toBeNull();
    }
    expect(await listFindings(world.ports.catalog.db, { all: false })).toMatchObject([{ kind: "ship-failed" }]);
  });

  it("makes the log wait no longer after many deaths of its process, nor after the first failure that follows them", async () => {
    await submit(world, { kind: "ship" });
    const die = async (): Promise<void> => {
      const order = (await take())!;
      world.pass(61_000);
      expect(await reapExpired(world.ports, world.dispatcher.leases, world.dispatcher.settings)).toEqual([order.attemptId]);
      world.pass(5_000);
    };
    for (let death = 0; death < 7; death += 1) await die();
    await finishAttempt(world.ports, world.dispatcher, (await take())!, failed("STORAGE_FAILED"));
    // One failure is no alarm either, however often the process died before it.
    expect(await listFindings(world.ports.catalog.db, { all: false })).toEqual([]);
    world.pass(5_000);
    expect(await take()).not.toBeNull();
  });

  it("gives work whose process dies each time no more than its attempts, and a restore one", async () => {
    const { db } = world.ports.catalog;
    const probe = await submit(world, { kind: "probe" });
    for (let death = 0; death < 3; death += 1) {
      expect((await findJob(db, probe.jobId)).state).toBe("due");
      await take();
      world.pass(61_000);
      await reapExpired(world.ports, world.dispatcher.leases, world.dispatcher.settings);
      world.pass(5_000);
    }
    expect(await findJob(db, probe.jobId)).toMatchObject({ state: "failed", error: { code: "LEASE_LOST" } });
    expect(afterFailure({ kind: "restore", attemptCount: 1, cancelRequested: 0 }, true, 3)).toBe("failed");
  });

  it("ends a due job at once when it is cancelled and tells the agent of a running one", async () => {
    const due = await submit(world, { kind: "probe" });
    await requestCancel(world.ports.catalog.db, due.jobId, "2026-05-01T00:00:00.000Z");
    expect((await findJob(world.ports.catalog.db, due.jobId)).state).toBe("cancelled");
    const running = await submit(world, { kind: "probe" });
    const order = (await take())!;
    await requestCancel(world.ports.catalog.db, running.jobId, "2026-05-01T00:00:00.000Z");
    expect(await world.dispatcher.leases.heartbeat(order, null)).toMatchObject({ cancel: true });
    expect(await finishAttempt(world.ports, world.dispatcher, order, { status: "cancelled" })).toEqual({ state: "cancelled" });
    await expect(requestCancel(world.ports.catalog.db, running.jobId, "2026-05-01T00:00:00.000Z")).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("makes the job of an agent that stops due again", async () => {
    const job = await submit(world, { kind: "probe" });
    await finishAttempt(world.ports, world.dispatcher, (await take())!, { status: "cancelled" });
    expect((await take())?.jobId).toBe(job.jobId);
  });

  it("grants only names of the attempt's kind, and reading only what the order names", async () => {
    await submit(world, { kind: "backup", backupKind: "full" });
    const order = (await take())!;
    const put = (name: string) => world.grants.put(order, [{ name, sizeBytes: 1, sha256: "0".repeat(64) }]);
    const [grant] = await put("000000.zst.age");
    expect(grant?.body).toMatchObject({ operation: "put", key: `${world.instanceId}/backups/${order.attemptId}/000000.zst.age`, sizeBytes: 1, expiresAt: "2026-05-01T00:15:00.000Z" });
    for (const name of ["manifest.json", "../x.zst.age", "0.zst.age", "0000001.zst.age", `${order.attemptId}.zst.age`, ""]) {
      await expect(put(name)).rejects.toMatchObject({ code: "GRANT_INVALID" });
    }
    await expect(world.grants.get(order, ["holdfast.json"])).rejects.toMatchObject({ code: "GRANT_INVALID" });
    await expect(store(world, order, "x/", { name: "manifest.json", text: "" })).rejects.toMatchObject({ code: "GRANT_INVALID" });
  });

  it("puts a signed request beside a grant only when it is asked for and the store takes one", async () => {
    await submit(world, { kind: "backup", backupKind: "full" });
    const order = (await take())!;
    const objects = [{ name: "000000.zst.age", sizeBytes: 1, sha256: "0".repeat(64) }];
    const request = { method: "PUT", url: "https://store.example.org/k", headers: {} } as const;
    const asked: unknown[] = [];
    const sign = { put: async (...terms: unknown[]) => (asked.push(terms), { transfer: request, confirm: request }), get: async () => request };
    const signing = createGrants({ ...world.ports, storages: new Map([["main", { ...world.storage, sign }]]) }, { grantMs: 60_000 });
    expect((await world.grants.put(order, objects, { withRequests: true }))[0]).not.toHaveProperty("request");
    expect((await signing.put(order, objects))[0]).not.toHaveProperty("request");
    expect(asked).toEqual([]);
    const [grant] = await signing.put(order, objects, { withRequests: true });
    expect(grant?.request).toEqual({ transfer: request, confirm: request });
    expect(asked).toEqual([[grant?.body.key, expect.objectContaining({ sizeBytes: 1, sha256: "0".repeat(64) }), Date.parse(grant?.body.expiresAt ?? "")]]);
  });
});
