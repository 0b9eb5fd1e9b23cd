import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { doomObjects } from "../catalog/pieces-in-work.ts";
import { findInstance } from "../catalog/instances.ts";
import { keysOf, openWorld, storeBackup, submit, type World } from "./control.fixture.ts";
import { claim } from "./dispatch.ts";
import { diagnose } from "./doctor.ts";
import { finishAttempt } from "./finish.ts";
import { freeze, frozenNow, thaw } from "./frozen.ts";
import { recoverAtStart } from "./loops.ts";
import { requestBackup, requestVerification } from "./requests.ts";
import { schedulePass } from "./scheduler.ts";
import { readStatus } from "./status.ts";
import { deleteDoomedObjects, sweepDeadAttempts } from "./sweep.ts";

const FROZEN = { why: "recovered", at: "2026-05-01T00:00:00.000Z" } as const;
const HOUR_MS = 3_600_000;

describe("a frozen catalog", () => {
  let world: World;
  beforeEach(async () => {
    world = await openWorld();
    await recoverAtStart(world.dispatcher);
  });
  afterEach(() => world.close());
  const db = (): World["ports"]["catalog"]["db"] => world.ports.catalog.db;
  const freezeIt = (): Promise<void> => freeze(db(), FROZEN);

  it("schedules nothing, and what is due comes after the thaw", async () => {
    await freezeIt();
    expect(await schedulePass(world.ports, world.dispatcher.settings)).toEqual([]);
    expect(await thaw(db(), world.ports.clock.nowMs())).toEqual(FROZEN);
    expect((await schedulePass(world.ports, world.dispatcher.settings)).length).toBeGreaterThan(0);
    expect(await thaw(db(), world.ports.clock.nowMs())).toBeNull();
  });

  it("begins no backup, and verifies one that is asked for", async () => {
    const { jobId } = await submit(world, { kind: "backup", backupKind: "full" });
    const order = (await claim(world.dispatcher, { agent: "a", jobId }))!;
    await finishAttempt(world.ports, world.dispatcher, order, { status: "done", report: await storeBackup(world, order) });
    await freezeIt();
    await expect(requestBackup(world.ports, await findInstance(db(), "shop"), "full")).rejects.toMatchObject({ code: "REFUSED" });
    expect(await requestVerification(world.dispatcher, order.attemptId, "T0")).toMatchObject({ kind: "verify", state: "due" });
  });

  it("deletes nothing: neither what dead attempts left, nor what was given up, nor what a writer has not finished", async () => {
    const { jobId } = await submit(world, { kind: "backup", backupKind: "full" });
    const order = (await claim(world.dispatcher, { agent: "a", jobId }))!;
    await storeBackup(world, order);
    await finishAttempt(world.ports, world.dispatcher, order, { status: "failed", error: { code: "TOOL_FAILED", message: "m", hint: "h", details: {} } });
    const [first] = await keysOf(world.storage, order.instance.id);
    await doomObjects(db(), [{ key: first!, repository: "main", rank: 0 }]);
    world.pass(48 * HOUR_MS);
    await freezeIt();
    const before = await keysOf(world.storage);
    expect(await sweepDeadAttempts(world.ports)).toEqual({ keys: [] });
    expect(await deleteDoomedObjects(world.ports)).toBe(0);
    expect(await keysOf(world.storage)).toEqual(before);
    await thaw(db(), world.ports.clock.nowMs());
    expect(await deleteDoomedObjects(world.ports)).toBe(1);
    expect((await sweepDeadAttempts(world.ports)).keys).toHaveLength(before.filter((key) => key.startsWith(order.instance.id)).length - 1);
  });

  it("leaves unfinished writes alone at a start: the server it stands in for may be alive", async () => {
    const leftovers = vi.spyOn(world.storage, "leftovers");
    await freezeIt();
    await recoverAtStart(world.dispatcher);
    expect(leftovers).not.toHaveBeenCalled();
    await thaw(db(), world.ports.clock.nowMs());
    await recoverAtStart(world.dispatcher);
    expect(leftovers).toHaveBeenCalledWith({ olderThanMs: 0, remove: true });
  });

  it("is what status and doctor say first", async () => {
    const doctor = () => diagnose({ ...world.ports, heldRecipients: async () => [] });
    expect((await doctor()).map(({ subject }) => subject)).not.toContain("catalog");
    await freezeIt();
    expect(await frozenNow(db())).toEqual(FROZEN);
    expect(await readStatus(world.ports, world.dispatcher.leases, "1")).toMatchObject({ frozen: FROZEN });
    expect((await doctor())[0]).toMatchObject({ subject: "catalog", status: "error" });
  });
});
