import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listBackups } from "../catalog/backups.ts";
import { listFindings } from "../catalog/findings.ts";
import { putPolicy } from "../catalog/policies.ts";
import { HoldfastError, toErrorRecord } from "../lib/errors.ts";
import type { HookFailure } from "../model/hook.ts";
import type { Order, Outcome } from "../model/job.ts";
import { policySchema } from "../model/policy.ts";
import { openWorld, RECIPIENTS, storeBackup, submit, type World } from "./control.fixture.ts";
import { claim } from "./dispatch.ts";
import { finishAttempt } from "./finish.ts";
import { recoverAtStart } from "./loops.ts";

const hooks = { beforeBackup: ["pause"], afterBackup: ["resume", "tell"] };
const failed = (hook: string): HookFailure => ({ hook, error: toErrorRecord(new HoldfastError("HOOK_FAILED", `Hook ${hook} after the backup ended with exit code 3: no.`)) });

let world: World;
beforeEach(async () => {
  world = await openWorld({ hooks });
  await recoverAtStart(world.dispatcher);
});
afterEach(() => world.close());

const start = async (): Promise<Order> => (await claim(world.dispatcher, { agent: "a", jobId: (await submit(world, { kind: "backup", backupKind: "full" })).jobId }))!;
const end = async (order: Order, outcome: Outcome): Promise<string> => (await finishAttempt(world.ports, world.dispatcher, order, outcome)).state;
const done = async (order: Order, hookFailures?: HookFailure[]): Promise<string> => end(order, { status: "done", report: await storeBackup(world, order), ...(hookFailures === undefined ? {} : { hookFailures }) });
const findings = async (): Promise<string[]> => (await listFindings(world.ports.catalog.db, { all: false })).filter(({ kind }) => kind === "hook-failed").map(({ subject, message }) => `${subject} ${message}`);

describe("hooks, on the server's side", () => {
  it("are names in the order of a backup, and nothing in one whose policy has none", async () => {
    const order = await start();
    expect(order.work).toMatchObject({ kind: "backup", hooks: { before: ["pause"], after: ["resume", "tell"] } });
    await done(order);
    await putPolicy(world.ports.catalog.db, "daily", policySchema.parse({ full: { cron: "0 2 * * *" }, repository: "main", recipients: RECIPIENTS }));
    expect((await start()).work).not.toHaveProperty("hooks");
  });

  it("that failed after a backup leave it committed, with a finding that the next backup whose hooks go well closes", async () => {
    const order = await start();
    expect(await done(order, [failed("resume"), failed("tell")])).toBe("succeeded");
    expect((await listBackups(world.ports.catalog.db, { limit: 10 })).map(({ backupId }) => backupId)).toEqual([order.attemptId]);
    const says = `instance:${world.instanceId} After attempt ${order.attemptId} to back up shop: Hook resume after the backup ended with exit code 3: no. Hook tell after the backup ended with exit code 3: no.`;
    expect(await findings()).toEqual([says]);
    await done(await start(), [failed("resume")]);
    expect(await findings()).toHaveLength(1);
    await done(await start());
    expect(await findings()).toEqual([]);
  });

  it("that failed after an attempt which came to nothing are told too, and a failed backup closes nothing", async () => {
    await end(await start(), { status: "cancelled", hookFailures: [failed("resume")] });
    expect(await findings()).toEqual([expect.stringContaining("Hook resume after")]);
    await end(await start(), { status: "failed", error: toErrorRecord(new HoldfastError("HOOK_FAILED", "Hook pause before the backup ended with exit code 1: no.")) });
    expect(await findings()).toHaveLength(1);
    await end(await start(), { status: "failed", error: toErrorRecord(new HoldfastError("INTERNAL", "x")), hookFailures: [failed("tell")] });
    expect(await findings()).toEqual([expect.stringContaining("Hook tell after")]);
  });

  it("that failed are told also when the server dies between the decision and the commit", async () => {
    const order = await start();
    const { put } = world.storage;
    world.storage.put = async (key, ...rest) => {
      if (key.endsWith("manifest.json")) throw new Error("crash");
      return put.call(world.storage, key, ...rest);
    };
    await expect(done(order, [failed("resume")])).rejects.toThrow("crash");
    world.storage.put = put;
    expect(await findings()).toEqual([]);
    await world.restart();
    await recoverAtStart(world.dispatcher);
    expect(await findings()).toEqual([expect.stringContaining("Hook resume after")]);
  });
});
