import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listFindings } from "../catalog/findings.ts";
import { doomedKeys } from "../catalog/pieces-in-work.ts";
import { pieceSpans } from "../catalog/segments.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { LogGroupIndex } from "../model/log-groups.ts";
import type { Order, PieceReport } from "../model/job.ts";
import { logPrefix, segmentKey } from "../model/manifest.ts";
import { surveyRepository } from "./check-survey.ts";
import { commitPiece } from "./commit-piece.ts";
import { keysOf, openWorld, part, storeBackup, storePiece, submit, type World } from "./control.fixture.ts";
import { claim } from "./dispatch.ts";
import { finishAttempt } from "./finish.ts";
import { recordRead } from "./check-progress.ts";
import { requestCheck } from "./request-check.ts";
import { lookIntoSegments } from "./look-into-segments.ts";
import { recoverAtStart } from "./loops.ts";
import { logOfInstance, planRestore } from "./plan-restore.ts";
import { DEFAULT_SETTINGS } from "./ports.ts";
import { bringTailsBack, doubtSegments } from "./replaced-tails.ts";
import { readDocument } from "./stored-document.ts";
import { deleteDoomedObjects } from "./sweep.ts";
import { watchedLogIndex } from "./watched-log-index.ts";

const KEEP_MS = DEFAULT_SETTINGS.keepReplacedMs;
const NO_GROUPS = (): Promise<LogGroupIndex> => Promise.resolve({ formatVersion: 1, file: "bin.000001", groups: [] });

describe("tails that a segment has replaced", () => {
  let world: World;
  let order: Order;
  let timeline: string;
  let tails: PieceReport[];
  let segment: PieceReport;
  beforeEach(async () => {
    world = await openWorld();
    await recoverAtStart(world.dispatcher);
    const full = await start({ kind: "backup", backupKind: "full" });
    await finishAttempt(world.ports, world.dispatcher, full, { status: "done", report: await storeBackup(world, full) });
    order = await start({ kind: "ship" });
    timeline = order.work.kind === "ship" ? order.work.timeline : "";
    tails = [await commit({ startPosition: 0, endPosition: 200 }), await commit({ startPosition: 200, endPosition: 300 })];
    segment = await commit({ kind: "segment", startPosition: 0, endPosition: 400, groupCount: 1 });
  });
  afterEach(() => world.close());

  const db = () => world.ports.catalog.db;
  const start = async (params: Parameters<typeof submit>[1]): Promise<Order> => (await claim(world.dispatcher, { agent: "db1", jobId: (await submit(world, params)).jobId }))!;
  const commit = async (span: Parameters<typeof storePiece>[2]): Promise<PieceReport> => {
    const piece = await storePiece(world, order, span);
    await commitPiece(world.ports, order, piece);
    return piece;
  };
  const spans = async () => (await pieceSpans(db(), world.instanceId)).map(({ kind, startPosition, endPosition }) => [kind, startPosition, endPosition]);
  const stored = async ({ segmentId }: PieceReport): Promise<number> => (await keysOf(world.storage, `${logPrefix(world.instanceId, timeline)}${segmentId}`)).length;
  const findings = async () => (await listFindings(db(), { all: false })).filter(({ kind }) => kind === "log-segment-useless");
  const doubt = () => doubtSegments(world.ports, db(), [segment.segmentId], "it is rubbish.");
  const SEGMENT = [["segment", 0, 400]];
  const TAILS = [["tail", 0, 200], ["tail", 200, 300]]; // prettier-ignore

  it("stay for their time and go then, and the segment stays", async () => {
    expect(await spans()).toEqual(SEGMENT);
    world.pass(KEEP_MS - 1);
    expect(await deleteDoomedObjects(world.ports)).toBe(0);
    expect(await Promise.all(tails.map(stored))).toEqual([3, 3]);
    world.pass(1);
    expect(await deleteDoomedObjects(world.ports)).toBe(6);
    expect(await Promise.all([...tails, segment].map(stored))).toEqual([0, 0, 3]);
  });

  it("stay as long as the server was told", async () => {
    const tail = await commit({ startPosition: 400, endPosition: 500 });
    await commitPiece(world.ports, order, await storePiece(world, order, { kind: "segment", startPosition: 400, endPosition: 500 }), { keepReplacedMs: 1_000 });
    world.pass(1_000);
    expect(await deleteDoomedObjects(world.ports)).toBe(3);
    expect(await stored(tail)).toBe(0);
  });

  it("are no unknown objects to a check, nor is the segment after them", async () => {
    const survey = async () => {
      const { unknown, forged, seen } = await surveyRepository(world.ports, "main", "hash");
      return { unknown, forged, seen: [...seen] };
    };
    const clean = { unknown: [], forged: [], seen: [] };
    expect(await survey()).toEqual(clean);
    await doubt();
    await bringTailsBack(world.ports);
    expect(await spans()).toEqual(TAILS);
    expect(await survey()).toEqual(clean);
  });

  it("come back when a restore fails at the segment, and the next plan uses them", async () => {
    const plan = () => planRestore(db(), NO_GROUPS, { instance: { ...world, id: world.instanceId, name: "shop", engine: "mysql" } as never, goal: { kind: "latest" }, allowGap: false, nowMs: world.ports.clock.nowMs() });
    const first = await plan();
    expect(first.segments.map((ref) => ref.segment.segmentId)).toEqual([segment.segmentId]);
    const restore = await start({ kind: "restore", goal: first.goal, allowGap: false, target: { kind: "directory", path: "/r" } as never, plan: first });
    const error = { code: "KEY_WRONG", message: `None of the identities opens ${segment.object.name}.`, hint: "", details: {} };
    await finishAttempt(world.ports, world.dispatcher, restore, { status: "failed", error });
    expect(await spans()).toEqual(TAILS);
    expect((await plan()).segments.map((ref) => ref.segment.segmentId)).toEqual(tails.map(({ segmentId }) => segmentId));
    expect((await plan()).stop).toMatchObject({ position: 300 });
    const [found] = await findings();
    expect(found).toMatchObject({ severity: "critical", subject: `instance:${world.instanceId}` });
    for (const words of [segment.segmentId, `attempt ${order.attemptId} of agent db1`, error.message, "replaced by the 2 tails", "No tail holds the bytes 300 to 400."]) expect(found?.message).toContain(words);
  });

  it("do not come back for a failure that has nothing to do with the segment", async () => {
    const plan = await planRestore(db(), NO_GROUPS, { instance: { id: world.instanceId, name: "shop", engine: "mysql" } as never, goal: { kind: "latest" }, allowGap: false, nowMs: world.ports.clock.nowMs() });
    for (const error of [{ code: "STORAGE_FULL", message: `No room for ${segment.object.name}.` }, { code: "KEY_WRONG", message: "None of the identities opens 000000.zst.age." }]) {
      const restore = await start({ kind: "restore", goal: plan.goal, allowGap: false, target: { kind: "directory", path: "/r" } as never, plan });
      await finishAttempt(world.ports, world.dispatcher, restore, { status: "failed", error: { ...error, hint: "", details: {} } });
    }
    expect(await spans()).toEqual(SEGMENT);
    expect(await findings()).toEqual([]);
  });

  const verify = async (detail: string): Promise<void> => {
    const { attemptId: backupId } = await full();
    const job = await start({ kind: "verify", backupId, tier: "T4" });
    const checks = [{ tier: "T4" as const, name: "replay", status: "failed" as const, detail, differences: [] }];
    await finishAttempt(world.ports, world.dispatcher, job, { status: "done", report: { kind: "verify", result: { tier: "T4", status: "failed", checks, phases: [], replayedTo: null, counts: [], toolVersions: {} } } });
  };
  const full = async (): Promise<Order> => {
    const backup = await start({ kind: "backup", backupKind: "full" });
    const recordedPosition = { file: "bin.000001", position: 400, gtid: "0-1-2" };
    await finishAttempt(world.ports, world.dispatcher, backup, { status: "done", report: await storeBackup(world, backup, { recordedPosition }) });
    return backup;
  };

  it("come back when a verification fails at the segment", async () => {
    await verify(`${segment.object.name} is damaged: its header is none.`);
    expect(await spans()).toEqual(TAILS);
    expect((await findings())[0]?.message).toContain("a verification failed at it (T4 replay)");
  });

  it("stay for longer when a verification fails and nobody knows at what", async () => {
    await verify("the program that replays ended with code 1");
    expect(await spans()).toEqual(SEGMENT);
    world.pass(KEEP_MS + 1);
    expect(await deleteDoomedObjects(world.ports)).toBe(0);
    world.pass(30 * 24 * 3_600_000);
    expect(await deleteDoomedObjects(world.ports)).toBe(6);
  });

  it("come back when a check finds the segment damaged, and the check says so all the same", async () => {
    const { job } = await requestCheck(world.ports, { repository: "main", depth: "hash" } as never);
    const check = (await claim(world.dispatcher, { agent: "db1", jobId: job.jobId }))!;
    const key = `${logPrefix(world.instanceId, timeline)}${segment.object.name}`;
    const found = { problem: "hash", detail: "it has another hash", sha256: part("x", "y").sha256 } as never;
    await recordRead(world.ports, check, [{ key, owner: `segment:${segment.segmentId}`, readBytes: 3, found }]);
    expect(await spans()).toEqual(SEGMENT);
    // However long it takes.
    world.pass(KEEP_MS + 1);
    expect(await deleteDoomedObjects(world.ports)).toBe(0);
    await finishAttempt(world.ports, world.dispatcher, check, { status: "done", report: { kind: "check" } });
    expect(await spans()).toEqual(TAILS);
    expect((await findings())[0]?.message).toContain("it has another hash");
    const open = await listFindings(db(), { all: false });
    expect(open.filter(({ subject }) => subject.startsWith("segment:"))).toEqual([]);
    const result = JSON.parse((await db().selectFrom("job").select("result").where("id", "=", check.jobId).executeTakeFirstOrThrow()).result ?? "{}") as { problems: unknown[] };
    expect(result.problems).toHaveLength(1);
  });

  it("come back when the server itself cannot open the segment's list of transactions", async () => {
    const [ref] = await logOfInstance(db(), world.instanceId);
    const open = (code: "KEY_WRONG" | "STORAGE_FAILED") => watchedLogIndex(world.ports, () => Promise.reject(new HoldfastError(code, `It is not ${segment.index.name}.`)));
    await expect(open("STORAGE_FAILED")(ref!)).rejects.toMatchObject({ message: `It is not ${segment.index.name}.` });
    expect(await spans()).toEqual(SEGMENT);
    await expect(open("KEY_WRONG")(ref!)).rejects.toMatchObject({ code: "KEY_WRONG", message: expect.stringContaining("are the log again") as string });
    expect(await spans()).toEqual(TAILS);
  });

  it("come back when the server looks into the segment by itself, once for each segment", async () => {
    const opened: string[] = [];
    let code: "STORAGE_FAILED" | "FORMAT_INVALID" | null = null;
    const open = watchedLogIndex(world.ports, async ({ segment: { segmentId, index } }) => {
      opened.push(segmentId);
      if (code !== null) throw new HoldfastError(code, `It is not ${index.name}.`);
      return NO_GROUPS();
    });
    const look = lookIntoSegments(world.ports, open);
    await look();
    await look();
    expect(opened).toEqual([segment.segmentId]);

    // A process that starts looks anew, and again while the repository does not answer.
    const lookAnew = lookIntoSegments(world.ports, open);
    code = "STORAGE_FAILED";
    await expect(lookAnew()).rejects.toMatchObject({ code: "STORAGE_FAILED" });
    expect(await spans()).toEqual(SEGMENT);
    code = "FORMAT_INVALID";
    await lookAnew();
    expect(await spans()).toEqual(TAILS);
    expect(await findings()).toHaveLength(1);
    await lookAnew();
    expect(opened).toHaveLength(3);
  });

  it("come back once, whenever the process dies, and are never deleted meanwhile", async () => {
    await doubt();
    await world.restart();
    world.pass(KEEP_MS + 1);
    expect(await deleteDoomedObjects(world.ports)).toBe(0);
    await bringTailsBack(world.ports);
    await bringTailsBack(world.ports);
    await doubt();
    await bringTailsBack(world.ports);
    expect(await spans()).toEqual(TAILS);
    expect(await findings()).toHaveLength(1);
    expect(await deleteDoomedObjects(world.ports)).toBe(0);
    expect(await Promise.all([...tails, segment].map(stored))).toEqual([3, 3, 3]);
    expect((await doomedKeys(db(), "main")).every((key) => key.includes(segment.segmentId))).toBe(true);
  });

  it("can be replaced again, and are kept again", async () => {
    await doubt();
    await bringTailsBack(world.ports);
    world.pass(KEEP_MS);
    const again = await commit({ kind: "segment", startPosition: 0, endPosition: 300, replaces: tails.map(({ segmentId }) => segmentId) });
    expect(await spans()).toEqual([["segment", 0, 300]]);
    world.pass(KEEP_MS - 1);
    expect(await deleteDoomedObjects(world.ports)).toBe(0);
    await doubtSegments(world.ports, db(), [again.segmentId], "rubbish again.");
    await bringTailsBack(world.ports);
    expect(await spans()).toEqual(TAILS);
  });

  it("that are gone leave the segment where it is", async () => {
    world.pass(KEEP_MS);
    // It may be that their deletion has begun.
    await doubt();
    await bringTailsBack(world.ports);
    await deleteDoomedObjects(world.ports);
    await doubt();
    await bringTailsBack(world.ports);
    expect(await spans()).toEqual(SEGMENT);
    expect(await findings()).toEqual([]);
  });

  it("that somebody has deleted do not come back, the others do; the finding names them", async () => {
    await world.storage.delete([segmentKey(world.instanceId, timeline, tails[0]!.segmentId)]);
    await doubt();
    await bringTailsBack(world.ports);
    expect(await spans()).toEqual([["tail", 200, 300]]);
    expect((await findings())[0]?.message).toMatch(new RegExp(`No tail holds the bytes 0 to 200 and 300 to 400\\. Not usable: .*${tails[0]!.segmentId}`));
    expect(await stored(tails[1]!)).toBe(3);
  });

  it("are not believed with another signature, nor when none is left that can be used", async () => {
    for (const { segmentId } of tails) {
      const key = segmentKey(world.instanceId, timeline, segmentId);
      const altered = (await readDocument(world.storage, key)).replace('"groupCount":1', '"groupCount":2');
      await world.storage.delete([key]);
      await world.storage.put(key, [Buffer.from(altered)], part("x", altered));
    }
    await doubt();
    await bringTailsBack(world.ports);
    expect(await spans()).toEqual(SEGMENT);
    expect((await findings())[0]?.message).toMatch(/None of the tails .* signature does not match/);
  });

  it("wait for a repository that does not answer", async () => {
    await doubt();
    await expect(bringTailsBack({ ...world.ports, storages: new Map([["main", { ...world.storage, get: () => Promise.reject(new HoldfastError("STORAGE_FAILED", "away")) }]]) })).rejects.toMatchObject({ code: "STORAGE_FAILED" });
    expect(await spans()).toEqual(SEGMENT);
    await bringTailsBack(world.ports);
    expect(await spans()).toEqual(TAILS);
  });
});
