import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listFindings } from "../catalog/findings.ts";
import { insertInstance, markInstanceRemoved } from "../catalog/instances.ts";
import { findJob, listJobs, openJobs } from "../catalog/jobs.ts";
import { putPolicy } from "../catalog/policies.ts";
import type { Job } from "../model/job.ts";
import { policySchema } from "../model/policy.ts";
import { openWorld, storeBackup, type World } from "./control.fixture.ts";
import { claim } from "./dispatch.ts";
import { finishAttempt } from "./finish.ts";
import { recoverAtStart } from "./loops.ts";
import { DEFAULT_SETTINGS } from "./ports.ts";
import { schedulePass } from "./scheduler.ts";

const HOUR = 3_600_000;
const QUIET = { logs: { enabled: false }, verification: { schedule: { cron: "0 0 1 1 *" } } };

describe("the scheduler", () => {
  let world: World;
  const open = async (policy: Record<string, unknown>): Promise<void> => {
    world = await openWorld(policy);
    await recoverAtStart(world.dispatcher);
  };
  beforeEach(() => open({ ...QUIET, full: { cron: "0 2 * * *" }, incremental: { every: "1h" } }));
  afterEach(() => world.close());

  const pass = async (): Promise<Job[]> => {
    const ids = await schedulePass(world.ports, DEFAULT_SETTINGS);
    return Promise.all(ids.map((id) => findJob(world.ports.catalog.db, id)));
  };
  const backups = async (): Promise<string[]> => (await pass()).filter(({ kind }) => kind === "backup").map(({ subject, scheduledAt }) => `${subject} ${scheduledAt}`);
  const runBackup = async (): Promise<void> => {
    const [job] = await openJobs(world.ports.catalog.db, world.instanceId, "backup");
    const order = (await claim(world.dispatcher, { agent: "a", jobId: job!.id }))!;
    const incremental = order.work.kind === "backup" && order.work.backupKind === "incremental";
    const report = await storeBackup(world, order, incremental ? { fromLsn: "18446744073709551000" } : {});
    await finishAttempt(world.ports, world.dispatcher, order, { status: "done", report });
  };

  it("takes a full where an incremental is due and no full exists, then incrementals on it", async () => {
    expect(await backups()).toEqual(["full 2026-05-01T00:00:00.000Z"]);
    await runBackup();
    world.pass(HOUR);
    expect(await backups()).toEqual(["incremental 2026-05-01T01:00:00.000Z"]);
    await runBackup();
    expect((await listJobs(world.ports.catalog.db, { kind: "backup", limit: 1 }))[0]).toMatchObject({ state: "succeeded" });
  });

  it("lets a full stand for the incremental that is due with it", async () => {
    await pass();
    await runBackup();
    world.pass(2 * HOUR);
    expect(await backups()).toEqual(["full 2026-05-01T02:00:00.000Z"]);
    await runBackup();
    expect(await backups()).toEqual([]);
  });

  it("inserts no backup while one is due or running, and afterwards one for all that was missed", async () => {
    await pass();
    world.pass(3 * HOUR);
    expect(await backups()).toEqual([]);
    await runBackup();
    expect(await backups()).toEqual(["full 2026-05-01T02:00:00.000Z"]);
  });

  it("inserts each scheduled instant once, however often and however much at once it looks", async () => {
    await Promise.all([pass(), pass(), pass()]);
    await pass();
    const jobs = await listJobs(world.ports.catalog.db, { limit: 100 });
    expect(jobs.map(({ kind }) => kind).sort()).toEqual(["backup", "probe"]);
  });

  it("goes on after a restart where it was", async () => {
    await pass();
    await runBackup();
    await world.restart();
    expect(await backups()).toEqual([]);
    world.pass(HOUR);
    expect(await backups()).toHaveLength(1);
  });

  it("reads cron in the instance's own zone", async () => {
    await putPolicy(world.ports.catalog.db, "nightly", policySchema.parse({ full: { cron: "30 2 * * *" }, repository: "main", ...QUIET }));
    const id = world.ports.newId();
    await insertInstance(world.ports.catalog.db, { id, name: "berlin", engine: "mysql", policy: "nightly", region: "local", timeZone: "Europe/Berlin", owner: null, connection: {}, createdAt: "2026-05-01T00:00:00.000Z", removedAt: null });
    await pass();
    world.pass(HOUR);
    expect((await pass()).filter(({ instanceId }) => instanceId === id).map(({ scheduledAt }) => scheduledAt)).toEqual(["2026-05-01T00:30:00.000Z"]);
  });

  it("keeps scheduling the others when one instance's policy cannot be read, and says so", async () => {
    await putPolicy(world.ports.catalog.db, "odd", policySchema.parse({ full: { cron: "99 99 * * *" }, repository: "main", ...QUIET }));
    const id = world.ports.newId();
    await insertInstance(world.ports.catalog.db, { id, name: "a-odd", engine: "mysql", policy: "odd", region: "local", timeZone: "UTC", owner: null, connection: {}, createdAt: "2026-05-01T00:00:00.000Z", removedAt: null });
    await pass();
    expect((await pass()).concat(await listJobs(world.ports.catalog.db, { kind: "backup", limit: 9 })).map(({ instanceId }) => instanceId)).toContain(world.instanceId);
    expect(await listFindings(world.ports.catalog.db, { all: false })).toMatchObject([{ kind: "schedule-failed", subject: `instance:${id}` }]);
    await putPolicy(world.ports.catalog.db, "odd", policySchema.parse({ full: { cron: "0 0 * * *" }, repository: "main", ...QUIET }));
    await pass();
    expect(await listFindings(world.ports.catalog.db, { all: false })).toEqual([]);
  });

  it("leaves removed instances alone", async () => {
    await markInstanceRemoved(world.ports.catalog.db, world.instanceId, "2026-05-01T00:00:00.000Z");
    expect(await pass()).toEqual([]);
  });

  it("keeps one ship job open where logs are wanted and asks it to stop where they no longer are", async () => {
    await world.close();
    await open({ verification: QUIET.verification });
    expect((await pass()).map(({ kind }) => kind).sort()).toEqual(["probe", "ship"]);
    expect(await pass()).toEqual([]);
    const [job] = await openJobs(world.ports.catalog.db, world.instanceId, "ship");
    const order = (await claim(world.dispatcher, { agent: "a", jobId: job!.id }))!;
    await putPolicy(world.ports.catalog.db, "daily", policySchema.parse({ full: { cron: "0 2 * * *" }, repository: "main", ...QUIET }));
    await pass();
    expect(await world.dispatcher.leases.heartbeat(order, null)).toMatchObject({ cancel: true });
  });

  it("waits before it ships again after shipping has failed", async () => {
    await world.close();
    await open({ verification: QUIET.verification });
    await pass();
    const [job] = await openJobs(world.ports.catalog.db, world.instanceId, "ship");
    const order = (await claim(world.dispatcher, { agent: "a", jobId: job!.id }))!;
    await finishAttempt(world.ports, world.dispatcher, order, { status: "failed", error: { code: "DATABASE_LOGIN", message: "No.", hint: "Look.", details: {} } });
    expect(await pass()).toEqual([]);
    world.pass(DEFAULT_SETTINGS.shipRetryMs);
    expect((await pass()).map(({ kind }) => kind)).toEqual(["ship"]);
  });

  it("verifies the newest backup by the policy's schedule", async () => {
    await world.close();
    await open({ logs: { enabled: false }, full: { every: "1h" }, verification: { tier: "T2", schedule: { cron: "0 5 * * *" } } });
    await pass();
    await runBackup();
    world.pass(5 * HOUR);
    const [backup] = await listJobs(world.ports.catalog.db, { kind: "backup", limit: 1 });
    const [verify] = (await pass()).filter(({ kind }) => kind === "verify");
    expect(verify).toMatchObject({ subject: `T2 of ${(backup?.result as { backupId: string }).backupId}`, scheduledAt: "2026-05-01T05:00:00.000Z" });
  });
});
