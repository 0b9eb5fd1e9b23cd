import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { getManifest, listBackups } from "../catalog/backups.ts";
import { listFindings } from "../catalog/findings.ts";
import { findJob, listJobs, openJobs } from "../catalog/jobs.ts";
import { getPolicy, putPolicy } from "../catalog/policies.ts";
import { chooseRestore } from "../model/restore-plan.ts";
import type { Backup } from "../model/backup.ts";
import type { Order, ResealReport } from "../model/job.ts";
import { backupPrefix, INDEX_NAME, packName } from "../model/manifest.ts";
import { passThrough } from "../storage/pass-through.ts";
import { coverageOf, summarize, requireInstance } from "./instances-view.ts";
import { factsOf, keysOf, openWorld, RECIPIENTS, store, storeBackup, submit, type World } from "./control.fixture.ts";
import { claim } from "./dispatch.ts";
import { finishAttempt } from "./finish.ts";
import { recoverAtStart } from "./loops.ts";
import { reapExpired } from "./reaper.ts";
import { requestReseal } from "./request-reseal.ts";
import { sweepDeadAttempts } from "./sweep.ts";

const NEXT = ["age1next", "age1escrow"];
const at = (position: number) => ({ file: "bin.000001", position, gtid: `0-1-${String(position)}` });

describe("resealing a chain", () => {
  let world: World;
  let full: string;
  let incremental: string;
  const take = async (backupKind: "full" | "incremental", facts: Parameters<typeof storeBackup>[2]): Promise<string> => {
    const { jobId } = await submit(world, { kind: "backup", backupKind });
    const order = (await claim(world.dispatcher, { agent: "a", jobId }))!;
    await finishAttempt(world.ports, world.dispatcher, order, { status: "done", report: await storeBackup(world, order, facts) });
    return order.attemptId;
  };
  const rotate = async (recipients: string[] = NEXT): Promise<void> => {
    const { db } = world.ports.catalog;
    await putPolicy(db, "daily", { ...(await getPolicy(db, "daily"))!.spec, recipients });
  };
  const claimReseal = async (): Promise<Order> => (await claim(world.dispatcher, { agent: "a", kinds: ["reseal"] }))!;
  const storeCopy = async (order: Order): Promise<ResealReport> => {
    const prefix = backupPrefix(world.instanceId, order.attemptId);
    const packs = [await store(world, order, prefix, { name: packName(0), text: "pack zero" }), await store(world, order, prefix, { name: packName(1), text: "pack one" })];
    return { kind: "reseal", packs, index: await store(world, order, prefix, { name: INDEX_NAME, text: "index" }), phases: [{ name: "reseal", durationMs: 5, bytes: 17 }] };
  };
  const done = async (order: Order): Promise<string> => {
    await finishAttempt(world.ports, world.dispatcher, order, { status: "done", report: await storeCopy(order) });
    return order.attemptId;
  };
  const backups = (): Promise<Backup[]> => listBackups(world.ports.catalog.db, { limit: 100 });

  beforeEach(async () => {
    world = await openWorld({ incremental: { cron: "0 3 * * *" }, verification: { schedule: { cron: "0 0 1 1 *" } } });
    await recoverAtStart(world.dispatcher);
    full = await take("full", { toLsn: "100", logPosition: at(100) });
    world.pass(3_600_000);
    incremental = await take("incremental", { fromLsn: "100", toLsn: "200", logPosition: at(200) });
    world.pass(3_600_000);
  });
  afterEach(() => world.close());

  it("gives each link a copy, the full first, that names what it was sealed from and builds on its parent's copy", async () => {
    await rotate();
    const before = await keysOf(world.storage);
    const { job, backupIds } = await requestReseal(world.ports, incremental);
    expect(backupIds).toEqual([full, incremental]);
    const first = await claimReseal();
    expect(first.work).toMatchObject({ kind: "reseal", source: { backupId: full }, parentId: null, sealing: { recipients: NEXT } });
    expect(await claimReseal()).toBeNull();
    const fullCopy = await done(first);
    const second = await claimReseal();
    expect((await findJob(world.ports.catalog.db, job.jobId)).result).toMatchObject({ backupId: fullCopy, nextJobId: second.jobId });
    const copy = await done(second);
    expect(await openJobs(world.ports.catalog.db, world.instanceId, "reseal")).toEqual([]);

    const source = await getManifest(world.ports.catalog.db, incremental);
    const { startedAt, endedAt, facts, timeline, stream } = source;
    expect(await getManifest(world.ports.catalog.db, copy)).toMatchObject({
      backupId: copy, parentId: fullCopy, chainId: fullCopy, kind: "incremental", recipients: NEXT, startedAt, endedAt, facts, timeline, stream, resealed: { from: incremental },
    }); // prettier-ignore
    expect((await keysOf(world.storage)).filter((key) => before.includes(key))).toEqual(before);
    expect((await getManifest(world.ports.catalog.db, incremental))).toEqual(source);
  });

  it("is what restores take, and counts neither as newer nor as a backup that was taken", async () => {
    await rotate();
    await requestReseal(world.ports, incremental);
    const fullCopy = await done(await claimReseal());
    const { db } = world.ports.catalog;
    const before = await summarize(db, await requireInstance(db, "shop"));
    expect(before).toMatchObject({ lastFullAt: (await getManifest(db, full)).endedAt, lastBackupAt: (await getManifest(db, incremental)).endedAt });
    const ask = async (): Promise<string[]> => {
      const question = { instance: { name: "shop", timeZone: "UTC" }, goal: { kind: "position", file: "bin.000001", position: 200 }, allowGap: false, backups: await backups(), segments: [], nowMs: 0, loadGroups: () => Promise.reject(new Error("no log")) } as const;
      return (await chooseRestore(question)).chain.map(({ backupId }) => backupId);
    };
    expect(await ask()).toEqual([full, incremental]);
    const copy = await done(await claimReseal());
    expect(await ask()).toEqual([fullCopy, copy]);
    expect((await coverageOf(db, world.instanceId)).gaps).toEqual([]);
    // The next incremental needs no other key than the new one.
    const { jobId } = await submit(world, { kind: "backup", backupKind: "incremental" });
    expect((await claim(world.dispatcher, { agent: "a", jobId }))!.work).toMatchObject({ parent: { backupId: copy } });
  });

  it("a latest state is never an old one that was resealed a moment ago", async () => {
    const newer = await take("full", { dataIdentity: "uid-2", toLsn: "50", logPosition: null });
    await rotate();
    await requestReseal(world.ports, full);
    const copy = await done(await claimReseal());
    const withoutPlaces = (await backups()).map((backup) => ({ ...backup, facts: { ...backup.facts, logPosition: null } }));
    expect(withoutPlaces[0]!.backupId).toBe(copy);
    const question = { instance: { name: "shop", timeZone: "UTC" }, goal: { kind: "latest" }, allowGap: false, backups: withoutPlaces, segments: [], nowMs: 0, loadGroups: () => Promise.reject(new Error("no log")) } as const;
    expect((await chooseRestore(question)).chain.map(({ backupId }) => backupId)).toEqual([newer]);
  });

  it("a link that was lost half-way is not listed, is done again under a new prefix, and what it left is swept", async () => {
    await rotate();
    await requestReseal(world.ports, incremental);
    const lost = await claimReseal();
    await storeCopy(lost);
    world.pass(120_000);
    await reapExpired(world.ports, world.dispatcher.leases, world.dispatcher.settings);
    expect((await backups()).map(({ backupId }) => backupId)).toEqual([incremental, full]);
    world.pass(10_000);
    const again = await claimReseal();
    expect([again.jobId, again.attemptId === lost.attemptId]).toEqual([lost.jobId, false]);
    await done(again);
    world.pass(24 * 3_600_000);
    expect((await sweepDeadAttempts(world.ports)).keys).toHaveLength(3);
    expect(await keysOf(world.storage, backupPrefix(world.instanceId, lost.attemptId))).toEqual([]);
  });

  it("a crash between manifest and catalog is finished at the start, and the next link follows once", async () => {
    await rotate();
    await requestReseal(world.ports, incremental);
    const order = await claimReseal();
    const report = await storeCopy(order);
    const dying = { ...world.ports, storages: new Map([["main", passThrough(world.storage, { put: async (...args) => { await world.storage.put(...args); throw new Error("crash"); } })]]) }; // prettier-ignore
    await finishAttempt(dying, world.dispatcher, order, { status: "done", report }).catch(() => undefined);
    expect(await backups()).toHaveLength(2);
    await world.restart();
    await recoverAtStart(world.dispatcher);
    expect(await backups()).toHaveLength(3);
    expect((await listJobs(world.ports.catalog.db, { kind: "reseal", limit: 10 })).map(({ state }) => state)).toEqual(["due", "succeeded"]);
  });

  it("goes on where an earlier one ended, and has nothing to do where all is done", async () => {
    await rotate();
    await requestReseal(world.ports, full);
    await done(await claimReseal());
    const { backupIds } = await requestReseal(world.ports, incremental);
    expect(backupIds).toEqual([incremental]);
    await expect(requestReseal(world.ports, full)).rejects.toMatchObject({ code: "CONFLICT" });
    const copy = await done(await claimReseal());
    await expect(requestReseal(world.ports, incremental)).rejects.toMatchObject({ code: "REFUSED", message: expect.stringContaining(copy) as string });
    await expect(requestReseal(world.ports, copy)).rejects.toMatchObject({ code: "REFUSED" });
  });

  it("refuses what is sealed as it should be, and a chain whose recipients are changed on the way", async () => {
    await expect(requestReseal(world.ports, incremental)).rejects.toMatchObject({ code: "REFUSED" });
    await rotate();
    const { job } = await requestReseal(world.ports, incremental);
    await done(await claimReseal());
    await rotate(RECIPIENTS.toReversed().concat("age1third"));
    expect(await claimReseal()).toBeNull();
    const [failed] = await listJobs(world.ports.catalog.db, { kind: "reseal", limit: 1 });
    expect(failed).toMatchObject({ state: "failed", error: { code: "REFUSED" } });
    expect(failed!.jobId).not.toBe(job.jobId);
    expect((await listFindings(world.ports.catalog.db, { all: false })).map(({ kind }) => kind)).toEqual(["reseal-failed"]);
  });

  it("takes no report that does not hold the source's packs, or that is of another kind", async () => {
    await rotate();
    await requestReseal(world.ports, full);
    const order = await claimReseal();
    const report = await storeCopy(order);
    const { packs, index, phases } = report;
    await expect(finishAttempt(world.ports, world.dispatcher, order, { status: "done", report: { kind: "backup", packs, index, phases, stream: { format: "xbstream", sizeBytes: 1 }, facts: factsOf() } })).rejects.toMatchObject({ code: "INPUT_INVALID" });
    const { jobId } = await requestReseal(world.ports, full).then(({ job }) => job);
    const other = (await claim(world.dispatcher, { agent: "a", jobId }))!;
    const { packs: others, ...rest } = await storeCopy(other);
    const lying = { ...rest, packs: others.map((pack) => ({ ...pack, plainBytes: pack.plainBytes + 1 })) };
    await expect(finishAttempt(world.ports, world.dispatcher, other, { status: "done", report: lying })).rejects.toMatchObject({ code: "INPUT_INVALID" });
    expect(await backups()).toHaveLength(2);
  });
});
