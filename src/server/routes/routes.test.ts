import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createClient, inMemoryTransport, type Client } from "../../client/index.ts";
import { newestEvent } from "../../catalog/events.ts";
import { keysOf, openWorld, storeBackup, storePiece, type World } from "../../control/control.fixture.ts";
import { EventWatch } from "../../control/event-watch.ts";
import { silentLog } from "../../lib/log.ts";
import { verifySigned } from "../../lib/signing.ts";
import { api } from "../../model/api/index.ts";
import type { Order, Outcome } from "../../model/job.ts";
import type { BackupFacts } from "../../model/manifest.ts";
import { VERIFICATION_KIND, type VerificationResult } from "../../model/verification.ts";
import { buildApp, missingRoutes } from "../app.ts";
import type { ServerContext } from "../context.ts";
import { routes } from "./index.ts";

const NOBODY = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const probeReport = {
  at: "2026-05-01T00:00:00.000Z", engine: "mysql", flavour: "mariadb", serverVersion: "10.11.19", toolVersion: "10.11.19", dataDirectory: "/d", sizeBytes: 1, dataIdentity: "uid-1",
  logging: { enabled: true, format: "ROW", facts: {} }, schemas: [], notes: [{ level: "warning" as const, code: "SYNC_BINLOG", message: "sync_binlog is 0.", remedy: "Set it to 1." }],
}; // prettier-ignore
const phases = [{ name: "fetch", durationMs: 1000, bytes: 1234 }, { name: "prepare", durationMs: 500, bytes: 1234 }, { name: "start", durationMs: 100, bytes: 0 }, { name: "logs", durationMs: 10, bytes: 200 }, { name: "replay", durationMs: 20, bytes: 200 }];
const measured = (status: "passed" | "failed", tier: "T3" | "T4" = "T4"): VerificationResult => ({
  tier, status, phases, replayedTo: null, counts: [{ schema: "shop", table: "orders", rows: 7 }], toolVersions: { mariadbd: "10.11.19" },
  checks: [{ tier: "T3", name: "objects", status, detail: status === "failed" ? "shop.orders is missing" : "3 objects are equal", differences: status === "failed" ? ["table shop.orders"] : [] }],
}); // prettier-ignore

describe("the routes", () => {
  let world: World;
  let client: Client;
  let close: () => PromiseLike<unknown>;

  beforeEach(async () => {
    world = await openWorld();
    const context: ServerContext = {
      dispatcher: world.dispatcher,
      eventWatch: new EventWatch(() => newestEvent(world.ports.catalog.db)),
      grants: world.grants,
      keyholder: { open: async (requests) => requests.map(() => new Uint8Array(16)) },
      openLogIndex: async ({ segment }) => ({
        formatVersion: 1,
        file: segment.file,
        groups: [{ start: Math.max(segment.startPosition, 100), end: segment.endPosition, gtid: `0-1-${String(segment.endPosition)}`, stampS: Date.parse("2026-05-01T00:00:30Z") / 1000, durationS: 0, statement: null, ddl: false, threadId: null, tables: [] }],
      }),
      heldRecipients: async () => ["age1recipient"],
      configuration: { sourceName: () => "here.yaml", parse: async () => ({ repositories: {}, policies: {}, instances: {}, keys: { recipients: [] } }), applied: async () => undefined },
      ownPools: null,
      ownAgentName: "own",
      serverFingerprint: async () => null,
      version: "0.1.0",
    };
    const app = buildApp(routes, context, { log: silentLog });
    client = createClient(inMemoryTransport(app));
    close = () => app.close();
  });
  afterEach(async () => {
    await close();
    await world.close();
  });

  const claimed = async (): Promise<Order> => (await client.call(api.agent.claim, { agent: "a" })).order!;
  const lease = ({ attemptId, fencingToken }: Order): { attemptId: string; fencingToken: number } => ({ attemptId, fencingToken });
  const finish = (order: Order, outcome: Outcome) => client.call(api.agent.finish, { ...lease(order), outcome });
  const takeBackup = async (kind: "full" | "auto" | "incremental", facts: Partial<BackupFacts> = {}): Promise<Order> => {
    await client.call(api.backups.run, { instance: "shop", kind });
    const order = await claimed();
    await finish(order, { status: "done", report: await storeBackup(world, order, facts) });
    for (const { jobId } of (await client.call(api.jobs.list, { kind: "verify", state: "due", limit: 50 })).jobs) await client.call(api.jobs.cancel, { jobId });
    return order;
  };
  const startShipping = async (): Promise<Order> => {
    const { submit } = await import("../../control/control.fixture.ts");
    await submit(world, { kind: "ship" });
    return claimed();
  };
  const ship = async (order: Order, startPosition: number, endPosition: number): Promise<void> => {
    await client.call(api.agent.reportPiece, { ...lease(order), piece: await storePiece(world, order, { startPosition, endPosition }) });
  };

  it("serve the whole API", () => {
    expect(missingRoutes(routes)).toEqual([]);
  });

  it("build an incremental on the newest backup when anything will do, and say so when nothing will", async () => {
    await client.call(api.backups.run, { instance: "shop", kind: "incremental" });
    expect((await client.call(api.agent.claim, { agent: "a" })).order).toBeNull();
    expect((await client.call(api.jobs.list, { limit: 1 })).jobs[0]).toMatchObject({ state: "failed", error: { code: "CHAIN_BROKEN" } });
    const full = await takeBackup("auto");
    expect(full.work).toMatchObject({ kind: "backup", backupKind: "full", parent: null, sealing: { metadataRecipient: "age1metadata", recipients: ["age1recipient", "age1escrow"] } });
    const incremental = await takeBackup("auto", { fromLsn: "18446744073709551000", toLsn: "18446744073709552000" });
    expect(incremental.work).toMatchObject({ backupKind: "incremental", parent: { backupId: full.attemptId, toLsn: "18446744073709551000", dataIdentity: "uid-1" } });
    const { chain, manifest } = await client.call(api.backups.show, { backupId: incremental.attemptId });
    expect(chain.map((backup) => backup.backupId)).toEqual([full.attemptId, incremental.attemptId]);
    expect(manifest.parentId).toBe(full.attemptId);
  });

  it("ship from the oldest backup, go on from what is stored, and begin anew after a purge", async () => {
    await takeBackup("full");
    const first = await startShipping();
    expect(first.work).toMatchObject({ kind: "ship", shipped: [], startAt: { file: "bin.000001", position: 100 } });
    await ship(first, 0, 200);
    await ship(first, 200, 300);
    await finish(first, { status: "failed", error: { code: "TOOL_FAILED", message: "x", hint: "y", details: {} } });
    world.pass(60_000);
    const second = await claimed();
    expect(second.work).toMatchObject({ startAt: null, shipped: [{ startPosition: 0, endPosition: 200 }, { startPosition: 200, endPosition: 300 }], dataIdentity: "uid-1" });
    await finish(second, { status: "failed", error: { code: "LOG_PURGED", message: "x", hint: "y", details: {} } });
    const third = await startShipping();
    expect(third.work).toMatchObject({ shipped: [], startAt: null, dataIdentity: null });
    expect(third.work.kind === "ship" && second.work.kind === "ship" && third.work.timeline > second.work.timeline).toBe(true);
    await client.call(api.backups.run, { instance: "shop", kind: "auto" });
    expect((await claimed()).work).toMatchObject({ backupKind: "full" });
  });

  it("plan a restore over chain and log, run it, and foresee the next one from what it took", async () => {
    await takeBackup("full");
    const shipping = await startShipping();
    await ship(shipping, 0, 200);
    await ship(shipping, 200, 300);
    const goal = { instance: "shop", goal: { kind: "latest" } as const, allowGap: false };
    const { plan } = await client.call(api.restores.plan, goal);
    expect(plan.segments).toHaveLength(2);
    expect([plan.start?.position, plan.stop?.position, plan.expectedMs]).toEqual([100, 300, null]);
    const { job } = await client.call(api.restores.run, { ...goal, target: { kind: "directory", path: "/srv/x", start: false } });
    const order = await claimed();
    expect(order.jobId).toBe(job.jobId);
    const key = `${plan.segments[0]!.prefix}${plan.segments[0]!.segment.object.name}`;
    expect((await client.call(api.agent.grantGet, { ...lease(order), keys: [key] })).grants).toHaveLength(1);
    await finish(order, { status: "done", report: { kind: "restore", result: { targetPath: "/srv/x", reached: null, phases, totalMs: 5, server: null, notes: [] } } });
    expect((await client.call(api.restores.plan, goal)).plan).toMatchObject({ expectedMs: 1000 + 500 + 100 + 15 + 30, steps: [{ name: "fetch" }, { name: "prepare" }, { name: "start" }, { name: "logs" }, { name: "replay" }] });
    const { coverage } = await client.call(api.instances.coverage, { instance: "shop" });
    expect(coverage).toMatchObject({ gaps: [], intervals: [{ from: { position: 0 }, to: { position: 300 }, pieceCount: 2 }] });
  });

  it("refuse a restore over a hole in the log, and plan it when the operator accepts that", async () => {
    await takeBackup("full");
    const shipping = await startShipping();
    await ship(shipping, 0, 200);
    await ship(shipping, 250, 300);
    const goal = { instance: "shop", goal: { kind: "latest" } as const };
    await expect(client.call(api.restores.plan, { ...goal, allowGap: false })).rejects.toMatchObject({ code: "GAP" });
    const { plan } = await client.call(api.restores.plan, { ...goal, allowGap: true });
    expect(plan.gaps).toHaveLength(1);
    expect(plan.warnings.join()).toContain("50 bytes of bin.000001");
  });

  it("verify up to the recorded position when the log reaches it, and say so when it does not", async () => {
    const { attemptId: backupId } = await takeBackup("full", { recordedPosition: { file: "bin.000001", position: 200, gtid: "" } });
    await client.call(api.backups.verify, { backupId, tier: "T4" });
    expect((await client.call(api.agent.claim, { agent: "a" })).order).toBeNull();
    world.pass(60_000);
    const early = await claimed();
    expect(early.work).toMatchObject({ tier: "T3", replayTo: null, segments: [] });
    await finish(early, { status: "done", report: { kind: "verify", result: measured("passed", "T3") } });
    expect((await client.call(api.backups.show, { backupId })).reports[0]?.checks.at(-1)).toMatchObject({ tier: "T4", status: "skipped" });
    await ship(await startShipping(), 0, 250);
    await client.call(api.backups.verify, { backupId, tier: "T4" });
    const order = await claimed();
    expect(order.work).toMatchObject({ tier: "T4", replayTo: { position: 200 }, segments: [{}], previousCounts: [{ table: "orders", rows: 7 }] });
  });

  it("keep a failed verification as signed evidence without names, mark the backup, and close the finding when it passes", async () => {
    const { attemptId: backupId } = await takeBackup("full");
    const verify = async (status: "passed" | "failed"): Promise<void> => {
      await client.call(api.backups.verify, { backupId, tier: "T3" });
      const order = await claimed();
      await finish(order, { status: "done", report: { kind: "verify", result: measured(status, "T3") } });
      expect((await client.call(api.jobs.show, { jobId: order.jobId })).job.result).toMatchObject({ status, checks: [{ differences: status === "failed" ? ["table shop.orders"] : [] }] });
    };
    await verify("failed");
    const findings = (await client.call(api.system.findings, { all: false })).findings;
    expect(findings).toMatchObject([{ kind: "verification-failed", subject: `backup:${backupId}`, severity: "critical" }]);
    const [key] = await keysOf(world.storage, "_control/verifications/");
    const text = await readText(world, key!);
    expect(text).not.toContain("orders");
    expect(verifySigned(JSON.parse(text) as never, { kind: VERIFICATION_KIND, publicKey: world.ports.signer.publicKey, name: "report" })).toMatchObject({ backupId, status: "failed", restoreMs: 1630 });
    expect((await client.call(api.backups.show, { backupId })).backup.verification?.status).toBe("failed");
    expect((await client.call(api.instances.show, { instance: "shop" })).instance.openFindings).toBe(1);
    await verify("passed");
    expect((await client.call(api.system.findings, { all: false })).findings).toEqual([]);
  });

  it("keep a probe and turn its warnings into findings that close by themselves", async () => {
    for (const notes of [probeReport.notes, []]) {
      await client.call(api.instances.probe, { instance: "shop" });
      await finish(await claimed(), { status: "done", report: { kind: "probe", report: { ...probeReport, notes } } });
      const { findings } = await client.call(api.system.findings, { all: false });
      expect(findings.map((finding) => finding.kind)).toEqual(notes.map(() => "probe.SYNC_BINLOG"));
    }
    expect((await client.call(api.instances.show, { instance: "shop" })).probe?.serverVersion).toBe("10.11.19");
  });

  it("check every object of a repository and name what is damaged until it is whole", async () => {
    const { attemptId } = await takeBackup("full");
    await ship(await startShipping(), 0, 200);
    for (const problem of ["hash", null] as const) {
      await client.call(api.system.checkRepository, { repository: "main", depth: "hash" });
      const order = await claimed();
      const objects = order.work.kind === "check" ? order.work.objects : [];
      expect(objects.map(({ key }) => key)).toEqual(expect.arrayContaining([expect.stringContaining(`/backups/${attemptId}/manifest.json`), expect.stringMatching(/\/logs\/.*\.json$/)]));
      const { key, owner } = objects.find((object) => object.key.endsWith("000000.zst.age"))!;
      await client.call(api.agent.reportRead, { ...lease(order), objects: [{ key, owner, readBytes: 9, found: problem === null ? null : { problem, detail: "it differs" } }] });
      await finish(order, { status: "done", report: { kind: "check" } });
      const { findings } = await client.call(api.system.findings, { all: false });
      expect(findings.map(({ subject, message }) => [subject, message.includes(key)])).toEqual(problem === null ? [] : [[`backup:${attemptId}`, true]]);
    }
  });

  it("hold and release a backup", async () => {
    const { attemptId: backupId } = await takeBackup("full");
    expect((await client.call(api.backups.hold, { backupId, reason: "audit", by: "ann" })).backup.holds).toMatchObject([{ reason: "audit", by: "ann" }]);
    expect(await keysOf(world.storage, "_control/holds/")).toHaveLength(1);
    expect((await client.call(api.backups.release, { backupId, by: "bob" })).backup.holds).toEqual([]);
  });

  it("name what exists beside what was not found, and match names exactly", async () => {
    const refused = (call: Promise<unknown>, message: string): Promise<void> => expect(call).rejects.toMatchObject({ code: "NOT_FOUND", message: expect.stringContaining(message) as string });
    await refused(client.call(api.instances.show, { instance: "shpo" }), "did you mean shop?");
    await refused(client.call(api.instances.show, { instance: "SHOP" }), "did you mean shop?");
    await refused(client.call(api.backups.show, { backupId: NOBODY }), "there is none yet");
    await refused(client.call(api.jobs.show, { jobId: NOBODY }), "there is none yet");
    await refused(client.call(api.system.checkRepository, { repository: "mian", depth: "hash" }), "did you mean main?");
  });

  it("show jobs with the progress that heartbeats brought, cancel them and run them again", async () => {
    const { job } = await client.call(api.backups.run, { instance: "shop", kind: "full" });
    const order = await claimed();
    const progress = { phase: "copying", doneBytes: 5, totalBytes: 10, rateInBytesPerS: 1, rateOutBytesPerS: 1, etaMs: 5, message: "" };
    await client.call(api.agent.heartbeat, { ...lease(order), progress });
    const status = await client.call(api.system.status, {});
    expect(status).toMatchObject({ running: [{ attempts: [{ progress }] }], instances: [{ name: "shop", backupCount: 0 }], repositories: [{ name: "main" }] });
    await client.call(api.jobs.cancel, { jobId: job.jobId });
    expect(await client.call(api.agent.heartbeat, { ...lease(order), progress: null })).toMatchObject({ cancel: true });
    await finish(order, { status: "cancelled" });
    expect((await client.call(api.jobs.retry, { jobId: job.jobId })).job.state).toBe("due");
  });

  it("tell in doctor what a night's work lacks", async () => {
    const { diagnoses } = await client.call(api.system.doctor, {});
    expect(diagnoses.map(({ subject, status }) => `${subject} ${status}`)).toEqual(["repository main ok", "repository main ok", "policy daily ok", "instance shop warning", "instance shop warning"]);
    expect((await keysOf(world.storage)).filter((key) => key.includes("doctor"))).toEqual([]);
  });

  it("refuse a configuration that forgets a repository with backups", async () => {
    await takeBackup("full");
    await expect(client.call(api.system.apply, { yaml: "", sourceName: "x", dryRun: false })).rejects.toMatchObject({ code: "REFUSED", message: expect.stringContaining("main") as string });
  });
});

async function readText(world: World, key: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of await world.storage.get(key)) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString("utf8");
}
