import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listFindings } from "../../src/catalog/findings.ts";
import { findJob, requestCancel } from "../../src/catalog/jobs.ts";
import { RECIPIENTS, keysOf, openWorld, storeBackup, storePiece, submit, type World } from "../../src/control/control.fixture.ts";
import { documentDamage } from "../../src/control/check-documents.ts";
import { expectedObjects } from "../../src/control/check-expected.ts";
import { recordRead } from "../../src/control/check-progress.ts";
import { commitPiece } from "../../src/control/commit-piece.ts";
import { claim } from "../../src/control/dispatch.ts";
import { finishAttempt } from "../../src/control/finish.ts";
import { placeHold, releaseHolds } from "../../src/control/holds.ts";
import { keepServerState } from "../../src/control/keep-state.ts";
import { openRepositories } from "../../src/control/open-repository.ts";
import { reapExpired } from "../../src/control/reaper.ts";
import { type CheckRequest, requestCheck } from "../../src/control/request-check.ts";
import { readDocument } from "../../src/control/stored-document.ts";
import { runCheck } from "../../src/jobs/check.ts";
import type { JobPorts } from "../../src/jobs/ports.ts";
import { HoldfastError } from "../../src/lib/errors.ts";
import { silentLog } from "../../src/lib/log.ts";
import { type CheckResult, checkResultSchema } from "../../src/model/check.ts";
import type { Job, Order, Progress } from "../../src/model/job.ts";
import { backupPrefix, REPOSITORY_MARK_KEY } from "../../src/model/manifest.ts";
import { promiseOf } from "../fixtures/promise-of.ts";

type Path = readonly (string | number)[];

/** The path of every value in a document that holds no others. */
function leavesOf(value: unknown, path: Path): Path[] {
  if (Array.isArray(value)) return value.flatMap((item, place) => leavesOf(item, [...path, place]));
  if (typeof value === "object" && value !== null) return Object.entries(value).flatMap(([name, item]) => leavesOf(item, [...path, name]));
  return [path];
}

/** The same document with another value in one place. */
function withLeaf(value: unknown, [member, ...rest]: Path): unknown {
  if (member === undefined) return typeof value === "number" ? value + 1 : typeof value === "string" ? `${value}x` : "x";
  const copy = structuredClone(value) as Record<string, unknown>;
  copy[member] = withLeaf(copy[member], rest);
  return copy;
}

/** What a run of an agent saw. */
interface Ran {
  readonly order: Order;
  readonly reported: string[];
  readonly messages: string[];
}

describe("a repository check", () => {
  let world: World;
  let backupId: string;
  let gets: string[];
  let shipping: Order;

  beforeEach(async () => {
    world = await openWorld();
    gets = [];
    const { get } = world.storage;
    world.storage.get = (key, options) => {
      gets.push(key);
      return get.call(world.storage, key, options);
    };
    await openRepositories(world.ports);
    backupId = await takeBackup();
    shipping = await claimed(await submit(world, { kind: "ship" }));
    await commitPiece(world.ports, shipping, await storePiece(world, shipping, { startPosition: 0, endPosition: 200 }));
    await commitPiece(world.ports, shipping, await storePiece(world, shipping, { startPosition: 200, endPosition: 300 }));
    await keepServerState(world.ports, { signingKey: "pem", metadataIdentity: "AGE", configuration: {}, recipients: RECIPIENTS, seal: async (text) => Buffer.from(text) });
    await placeHold(world.ports, { backupId, reason: "audit", by: "ann" });
  });
  afterEach(() => world.close());

  async function claimed({ jobId }: Pick<Job, "jobId">): Promise<Order> {
    const order = await claim(world.dispatcher, { agent: "a", jobId });
    if (order === null) throw new Error(`job ${jobId} was not given`);
    return order;
  }

  async function takeBackup(): Promise<string> {
    const order = await claimed(await submit(world, { kind: "backup", backupKind: "full" }));
    await finishAttempt(world.ports, world.dispatcher, order, { status: "done", report: await storeBackup(world, order) });
    return order.attemptId;
  }

  const request = (more: Partial<CheckRequest> = {}) => requestCheck(world.ports, { repository: "main", depth: "hash", ...more });

  /** Works on an order as an agent does, until it has read so many objects; what was read is reported one by one. */
  async function work(order: Order, stopAfter = Number.POSITIVE_INFINITY): Promise<Ran> {
    const stop = new AbortController();
    const ran: Ran = { order, reported: [], messages: [] };
    let nowMs = 0;
    const ports: Partial<JobPorts> = {
      order, signal: stop.signal, log: silentLog,
      clock: { nowMs: () => nowMs, monotonicMs: () => (nowMs += 3_000) },
      progress: ({ message }: Progress) => void ran.messages.push(message),
      get: (key) => world.storage.get(key),
      openHeader: () => Promise.reject(new HoldfastError("KEY_WRONG", "these are no packs")),
      reportRead: async (objects) => {
        await recordRead(world.ports, order, objects);
        ran.reported.push(...objects.map(({ key }) => key));
        if (ran.reported.length >= stopAfter) stop.abort(new HoldfastError("AGENT_STOPPED", "the agent stops"));
      },
    }; // prettier-ignore
    if (order.work.kind !== "check") throw new Error("that is no check");
    await runCheck(ports as JobPorts, order.work);
    return ran;
  }

  async function finish(order: Order): Promise<CheckResult> {
    await finishAttempt(world.ports, world.dispatcher, order, { status: "done", report: { kind: "check" } });
    return checkResultSchema.parse((await findJob(world.ports.catalog.db, order.jobId)).result);
  }

  async function check(more: Partial<CheckRequest> = {}): Promise<CheckResult & Ran> {
    const order = await claimed((await request(more)).job);
    const ran = await work(order);
    return { ...(await finish(order)), ...ran };
  }

  const findings = async (): Promise<string[]> => (await listFindings(world.ports.catalog.db, { all: false })).map(({ kind, subject }) => `${kind} ${subject}`).sort();
  const textOf = (key: string): Promise<string> => readDocument(world.storage, key);

  async function replace(key: string, bytes: Buffer | string | null): Promise<void> {
    await world.storage.delete([key]);
    if (bytes === null) return;
    const body = Buffer.from(bytes);
    await world.storage.put(key, [body], promiseOf(body));
  }

  const packKey = (number: number): string => `${backupPrefix(world.instanceId, backupId)}00000${String(number)}.zst.age`;
  const manifestKey = (): string => `${backupPrefix(world.instanceId, backupId)}manifest.json`;

  it("reads everything that is stored, documents and control documents included, and finds a whole repository whole", async () => {
    // The mark is taken in by the first check, because no catalog before this one knew its hash.
    await check();
    const { known, read, problems, unknown } = await check();
    expect({ problems, unknown, objects: read.objects }).toEqual({ problems: [], unknown: [], objects: (await keysOf(world.storage)).length });
    expect(read).toEqual(known);
    expect(gets).toEqual(expect.arrayContaining([REPOSITORY_MARK_KEY, manifestKey(), ...(await keysOf(world.storage, "_control/"))]));
    expect(await findings()).toEqual([]);
  });

  it("reads nothing at depth size, and finds what is missing or of another size", async () => {
    await replace(packKey(0), null);
    await replace(packKey(1), "pack oneX");
    await replace(`${backupPrefix(world.instanceId, backupId)}index.zst.age`, "INDEX");
    gets = [];
    const { problems, read, known } = await check({ depth: "size" });
    // The mark tells that this is the repository at all.
    expect([...new Set(gets)]).toEqual([REPOSITORY_MARK_KEY]);
    expect(problems).toEqual([
      { key: packKey(0), owner: `backup:${backupId}`, problem: "missing", detail: "it is not in the repository" },
      { key: packKey(1), owner: `backup:${backupId}`, problem: "size", detail: "it has 9 bytes, not 8" },
    ]);
    expect([read.objects, known.objects > 10]).toEqual([0, true]);
    await replace(packKey(0), "pack zero");
    await replace(packKey(1), "pack one");
    expect((await check({ depth: "size" })).problems).toEqual([]);
    expect(await findings()).toEqual([]);
  });

  it("takes damage back only when the object was read whole again", async () => {
    await replace(packKey(0), "pack zerO");
    const { problems } = await check();
    expect(problems).toEqual([expect.objectContaining({ key: packKey(0), problem: "hash", detail: expect.stringContaining("its age header is altered") as unknown })]);
    await replace(packKey(0), "pack zero");
    expect((await check({ depth: "size" })).problems).toHaveLength(1);
    expect(await findings()).toEqual([`stored-object-damaged backup:${backupId}`]);
    // A sample of almost nothing reads what is known to be damaged first.
    const { read, order } = await check({ share: 0.0001, seed: "x" });
    expect([read, order.work.kind === "check" && order.work.objects.map(({ key }) => key)]).toMatchObject([{ objects: 1 }, [packKey(0)]]);
    expect(await findings()).toEqual([]);
  });

  it("goes on where it was stopped, and says so", async () => {
    const { job } = await request();
    const first = await claimed(job);
    const total = first.work.kind === "check" ? first.work.objects.length : 0;
    await expect(work(first, 4)).rejects.toMatchObject({ code: "AGENT_STOPPED" });
    await finishAttempt(world.ports, world.dispatcher, first, { status: "cancelled" });
    const second = await work(await claimed(job));
    expect(second.reported).toHaveLength(total - 4);
    expect(second.messages[0]).toBe("goes on behind 4 objects that were read before");
    const result = await finish(second.order);
    expect(result).toMatchObject({ continued: { objects: 4, attempts: 1 }, read: { objects: total } });
    expect(result.read.bytes).toBe(result.known.bytes);
  });

  it("goes on where it was killed, however often, as long as it gets on", async () => {
    const { job } = await request();
    const seen: string[] = [];
    for (let kill = 0; kill < 5; kill += 1) {
      const order = await claimed(job);
      await expect(work(order, 2)).rejects.toMatchObject({ code: "AGENT_STOPPED" });
      seen.push(...(order.work.kind === "check" ? order.work.objects.slice(0, 2).map(({ key }) => key) : []));
      await world.restart();
      world.dispatcher.leases.begin(order.attemptId);
      world.pass(120_000);
      expect(await reapExpired(world.ports, world.dispatcher.leases, world.dispatcher.settings)).toEqual([order.attemptId]);
      world.pass(120_000);
    }
    expect(new Set(seen).size).toBe(10);
    const last = await work(await claimed(job));
    expect(last.reported.filter((key) => seen.includes(key))).toEqual([]);
    expect((await finish(last.order)).continued).toMatchObject({ objects: 10, attempts: 5 });
  });

  it("is taken up again by asking for the same check, with the rate of the asking; another kind, a fresh one and an old one begin anew", async () => {
    const { job } = await request({ rateBytesPerS: 1_000_000 });
    const first = await claimed(job);
    await requestCancel(world.ports.catalog.db, job.jobId, "2026-05-01T00:00:00.000Z");
    await expect(work(first, 3)).rejects.toMatchObject({ code: "AGENT_STOPPED" });
    await finishAttempt(world.ports, world.dispatcher, first, { status: "cancelled" });
    expect((await findJob(world.ports.catalog.db, job.jobId)).state).toBe("cancelled");
    for (const other of [{ depth: "size" }, { share: 0.5 }, { fresh: true }] as const) expect((await request(other)).continued).toBeNull();
    world.pass(60_000);
    const fresh = (await request({ fresh: true })).job.jobId;
    expect((await request()).job.jobId).toBe(fresh);
    await finish(await claimed({ jobId: fresh }));
    // The newest one of the kind came to its end: nothing is left to go on with.
    expect(await request()).toMatchObject({ continued: null });
  });

  it("that was cancelled is run again with another rate, unless it lies too long back", async () => {
    const { job } = await request({ rateBytesPerS: 1_000_000 });
    const first = await claimed(job);
    await requestCancel(world.ports.catalog.db, job.jobId, "2026-05-01T00:00:00.000Z");
    await expect(work(first, 3)).rejects.toMatchObject({ code: "AGENT_STOPPED" });
    await finishAttempt(world.ports, world.dispatcher, first, { status: "cancelled" });
    const again = await request();
    expect(again).toMatchObject({ job: { jobId: job.jobId, state: "due" }, continued: { objects: 3 } });
    const order = await claimed(job);
    expect(order.work).toMatchObject({ rateBytesPerS: null, before: { objects: 3 } });
    await finishAttempt(world.ports, world.dispatcher, order, { status: "cancelled" });
    world.pass(8 * 24 * 3_600_000);
    expect((await request()).job.jobId).not.toBe(job.jobId);
  });

  it("samples come round to every object, say their share, and choose the same for the same seed", async () => {
    await check();
    const total = (await check({ depth: "size" })).known.objects;
    const rounds: string[][] = [];
    for (let round = 0; round < 4; round += 1) {
      const { read, known, sample, order } = await check({ share: 0.25, seed: `s${String(round)}` });
      expect([read.objects, known.objects, sample]).toEqual([Math.ceil(total / 4), total, { share: 0.25, seed: `s${String(round)}` }]);
      rounds.push(order.work.kind === "check" ? order.work.objects.map(({ key }) => key) : []);
    }
    expect(new Set(rounds.flat()).size).toBe(total);
  });

  it("names a control document that is missing, cut, altered or forged, to the field and byte", async () => {
    const [hold = "", state = "", policy = ""] = await Promise.all(["holds/", "state/", "policies/"].map(async (folder) => (await keysOf(world.storage, `_control/${folder}`))[0]!));
    const holdText = await textOf(hold);
    await replace(hold, holdText.replace('"reason":"audit"', '"reason":"nudit"'));
    await replace(state, null);
    const policyText = await textOf(policy);
    await replace(policy, policyText.slice(0, -7));
    const forged = hold.replace(/[^/]+$/, "01ARZ3NDEKTSV4RRFFQ69G5FAV.json");
    await replace(forged, holdText);
    const misplaced = state.replace(/[^/]+$/, "01ARZ3NDEKTSV4RRFFQ69G5FAV.json");
    await replace(misplaced, JSON.stringify({ ...(JSON.parse(holdText) as object), body: { x: 1 } }));
    const { problems } = await check();
    const detailOf = (key: string) => problems.find((problem) => problem.key === key);
    expect(detailOf(hold)).toMatchObject({ owner: `document:${hold}`, problem: "hash", detail: expect.stringContaining(`its signature does not match its content; body.reason is "nudit", not "audit"; it differs from byte ${String(holdText.indexOf("audit"))} on`) as unknown });
    expect(detailOf(state)).toMatchObject({ owner: `document:${state}`, problem: "missing" });
    expect(detailOf(policy)).toMatchObject({ problem: "size", detail: expect.stringContaining("it is not JSON any more") as unknown });
    expect(detailOf(forged)).toMatchObject({ problem: "forged", detail: `it is the document that belongs at ${hold}` });
    expect(detailOf(misplaced)).toMatchObject({ problem: "forged", detail: "this installation did not sign it as it is" });
    expect(problems).toHaveLength(5);
    expect(await findings()).toHaveLength(5);
    for (const key of [forged, misplaced]) await replace(key, null);
    await replace(hold, holdText);
    await replace(policy, policyText);
    expect((await check()).problems).toEqual([expect.objectContaining({ key: state })]);
    expect(await findings()).toEqual([`stored-object-damaged document:${state}`]);
  });

  it("names the field of a manifest or log document that was altered, and where swapped objects belong", async () => {
    const manifest = await textOf(manifestKey());
    await replace(manifestKey(), manifest.replace('"toLsn":"18446744073709551000"', '"toLsn":"18446744073709551001"'));
    await replace(packKey(0), "pack one");
    const [piece = ""] = (await keysOf(world.storage, `${world.instanceId}/logs/`)).filter((key) => key.endsWith(".json"));
    const [otherPiece = ""] = (await keysOf(world.storage, `${world.instanceId}/logs/`)).filter((key) => key.endsWith(".json") && key !== piece);
    await replace(piece, await textOf(otherPiece));
    const { problems } = await check();
    const detailOf = (key: string): string => problems.find((problem) => problem.key === key)?.detail ?? "";
    expect(detailOf(manifestKey())).toContain('body.facts.toLsn is "18446744073709551001", not "18446744073709551000"');
    expect(detailOf(packKey(0))).toContain(`it holds what belongs at ${packKey(1)}`);
    expect(detailOf(piece)).toContain(`it is the document that belongs at ${otherPiece}`);
    expect(problems).toHaveLength(3);
  });

  it("names every single field of a manifest and of a piece's document when it is altered", async () => {
    const [piece = ""] = (await keysOf(world.storage, `${world.instanceId}/logs/`)).filter((key) => key.endsWith(".json"));
    const expected = new Map((await expectedObjects(world.ports.catalog.db, "main")).map((object) => [object.key, object]));
    let altered = 0;
    for (const key of [manifestKey(), piece]) {
      const whole = await textOf(key);
      for (const path of leavesOf(JSON.parse(whole), [])) {
        await replace(key, JSON.stringify(withLeaf(JSON.parse(whole), path)));
        const words = await documentDamage(world.ports, "main", expected.get(key)!);
        const name = path.reduce<string>((so, member) => (typeof member === "number" ? `${so}[${String(member)}]` : so === "" ? member : `${so}.${member}`), "");
        expect(words, name).toContain(`${name} is `);
        expect(words, name).toContain(path[0] === "signature" && path[1] === "key" ? "signed by this installation" : "its signature does not match");
        altered += 1;
      }
      await replace(key, whole);
      expect(await documentDamage(world.ports, "main", expected.get(key)!)).toBeNull();
    }
    expect(altered).toBeGreaterThan(70);
  });

  it("names objects that nobody knows, and not those of work that goes on", async () => {
    const running = await claimed(await submit(world, { kind: "backup", backupKind: "full" }));
    await storeBackup(world, running);
    // Granted and stored, and not committed yet.
    await storePiece(world, shipping, { startPosition: 300, endPosition: 400 });
    const lost = `${world.instanceId}/backups/01ARZ3NDEKTSV4RRFFQ69G5FAV/000000.zst.age`;
    await replace(lost, "left over");
    await replace("readme.txt", "hello");
    const { unknown, problems } = await check();
    expect(problems).toEqual([]);
    expect(unknown).toEqual([
      { key: lost, sizeBytes: 9, detail: "of an attempt that came to nothing, or of a backup that the catalog does not know" },
      { key: "readme.txt", sizeBytes: 5, detail: "nothing that Holdfast has stored" },
    ]);
    expect(await findings()).toEqual(["stored-object-unknown repository:main"]);
    for (const key of [lost, "readme.txt"]) await replace(key, null);
    expect((await check({ depth: "size" })).unknown).toEqual([]);
    expect(await findings()).toEqual([]);
  });

  it("concludes nothing from a place that is not the repository", async () => {
    const order = await claimed((await request()).job);
    await replace(REPOSITORY_MARK_KEY, null);
    await replace(packKey(0), null);
    await expect(work(order)).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND", message: expect.stringContaining("nothing is concluded") as unknown });
    await expect(finish(order)).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
    expect(await findings()).toEqual([`check-failed job:${order.jobId}`]);
  });

  it("does not miss what was merged while it ran", async () => {
    const order = await claimed((await request()).job);
    const job = (await findJob(world.ports.catalog.db, order.jobId)).state;
    expect(job).toBe("running");
    const db = world.ports.catalog.db;
    const piece = await db.selectFrom("logPiece").selectAll().orderBy("id").executeTakeFirstOrThrow();
    await db.deleteFrom("logPiece").where("id", "=", piece.id).execute();
    for (const key of await keysOf(world.storage, `${world.instanceId}/logs/`)) if (key.includes(piece.id)) await replace(key, null);
    await work(order);
    expect((await finish(order)).problems).toEqual([]);
  });

  it("refuses to hear of objects that its order does not name, and of a lease that was lost", async () => {
    const order = await claimed((await request()).job);
    const stranger = { key: "x/y", owner: `backup:${backupId}`, readBytes: 0, found: { problem: "hash", detail: "it differs" } } as const;
    await expect(recordRead(world.ports, order, [stranger])).rejects.toMatchObject({ code: "INPUT_INVALID" });
    await expect(recordRead(world.ports, { ...order, fencingToken: 0 }, [{ ...stranger, found: null }])).rejects.toMatchObject({ code: "LEASE_LOST" });
    await releaseHolds(world.ports, { backupId, by: "bob" });
    await work(order);
    expect((await finish(order)).unknown).toEqual([]);
  });
});
