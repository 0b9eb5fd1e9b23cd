import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { groupOf, logFile, segmentOf, segmentWith } from "../../test/fixtures/log-segments.ts";
import { isoTime } from "../lib/clock.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { LogGroup } from "./log-groups.ts";
import type { LogSegment } from "./manifest.ts";
import { type ReachableLog, resolveGoal, resolveGtid, resolvePosition, resolveTime } from "./resolve-goal.ts";

const time = (atS: number, fractionMs = 0): string => isoTime(atS * 1_000 + fractionMs);

interface TestLog extends ReachableLog {
  readonly opened: string[];
}

function logOf(parts: readonly (readonly [LogSegment, readonly LogGroup[]])[], more: Partial<ReachableLog> = {}): TestLog {
  const opened: string[] = [];
  const groups = new Map(parts.map(([segment, list]) => [segment.segmentId, list]));
  return {
    segments: parts.map(([segment]) => segment),
    loadGroups: async (segment) => {
      opened.push(`${segment.file}:${String(segment.startPosition)}`);
      return { formatVersion: 1, file: segment.file, groups: [...(groups.get(segment.segmentId) ?? [])] };
    },
    from: { file: parts[0]![0].file, position: 0, gtid: "" },
    fromMs: 0,
    nowMs: 10_000_000_000,
    opened,
    ...more,
  };
}

const withGroups = (fileNumber: number, groups: readonly LogGroup[], more: Partial<LogSegment> = {}) => [segmentWith(fileNumber, groups, more), groups] as const;

async function failure(work: Promise<unknown>): Promise<Error & { code: string; hint: string }> {
  const error: unknown = await work.then(() => null, (thrown: unknown) => thrown);
  if (!isHoldfastError(error)) throw new Error(`expected a HoldfastError, got ${String(error)}`);
  return error;
}

describe("a time becomes the place before the first later group in log order", () => {
  const first = [groupOf(100, 200, 1_000), groupOf(200, 300, 1_010)];
  const second = [groupOf(300, 400, 1_005), groupOf(400, 500, 1_020), groupOf(500, 600, 1_011)];
  const log = logOf([withGroups(1, first, { startPosition: 0 }), withGroups(1, second)]);

  test("with its neighbours, and later groups with earlier stamps stay outside", async () => {
    expect(await resolveTime(log, time(1_015))).toEqual({ file: logFile(1), position: 400, lastGroup: second[0], nextGroup: second[1], doubts: [] });
  });

  test("across pieces: the neighbour inside may be in the piece before", async () => {
    expect(await resolveTime(log, time(1_002))).toMatchObject({ position: 200, lastGroup: first[0], nextGroup: first[1] });
    const stop = await resolveTime(logOf([withGroups(1, first, { startPosition: 0, closesFile: true }), withGroups(2, [groupOf(400, 500, 1_050)], { startPosition: 0 })]), time(1_020));
    expect(stop).toMatchObject({ file: logFile(2), position: 400, lastGroup: first[1] });
  });

  test("fractions of a second are cut off, and commits of that second are kept and named", async () => {
    for (const fraction of [0, 999]) {
      const stop = await resolveTime(log, time(1_010, fraction));
      expect(stop.position).toBe(400);
      expect(stop.doubts).toEqual([expect.stringMatching(/^1 transaction began in second 1970-01-01T00:16:50.000Z itself .*0-1-200/)]);
    }
    expect((await resolveTime(log, time(1_009, 999))).position).toBe(200);
  });

  test("an instant behind the last group stops at the end of the log and says what is not known", async () => {
    const stop = await resolveTime(log, time(5_000));
    expect(stop).toMatchObject({ position: 600, lastGroup: second[2], nextGroup: null });
    expect(stop.doubts.join()).toContain("the log ends at bin.000001:600, received 1970-01-01T00:17:05.000Z");
  });

  test("only pieces that can matter are opened", async () => {
    const many = Array.from({ length: 50 }, (_, index) => withGroups(index + 1, [groupOf(10, 20, 1_000 + index)], { startPosition: 0, closesFile: true }));
    const long = logOf(many);
    await resolveTime(long, time(1_040));
    expect(long.opened).toEqual([`${logFile(41)}:0`, `${logFile(42)}:0`]);
  });

  test("a stamp set into the future is ignored and named, an honest late one is not", async () => {
    const groups = [groupOf(100, 200, 1_000), groupOf(200, 300, 2_000_000_000), groupOf(300, 400, 1_030), groupOf(400, 500, 1_050)];
    const future = logOf([withGroups(1, groups, { arrivals: [{ endPosition: 500, at: time(1_060) }] })]);
    const stop = await resolveTime(future, time(1_040));
    expect(stop).toMatchObject({ position: 400, nextGroup: groups[3] });
    expect(stop.doubts).toEqual([expect.stringContaining("1 transaction with stamps later than their arrival will be inside")]);
  });

  test("arrivals of tails decide, not the arrival of the segment they were merged into", async () => {
    // Set to 1100 at 1005: the segment arrived later than that, the bytes long before.
    const groups = [groupOf(100, 200, 1_000), groupOf(200, 300, 1_100), groupOf(300, 400, 1_090), groupOf(400, 500, 1_150)];
    const arrivals = [{ endPosition: 300, at: time(1_010) }, { endPosition: 500, at: time(1_200) }];
    expect((await resolveTime(logOf([withGroups(1, groups, { arrivals })]), time(1_095))).position).toBe(400);
  });

  test("a database whose clock runs ahead is believed all the same, and it is said", async () => {
    const groups = Array.from({ length: 20 }, (_, index) => groupOf(100 + index, 101 + index, 1_000 + index));
    const ahead = logOf([withGroups(1, groups, { arrivals: [{ endPosition: 121, at: time(900) }] })]);
    const stop = await resolveTime(ahead, time(1_010));
    expect(stop.position).toBe(111);
    expect(stop.doubts.join()).toContain("clock runs about");
  });

  test("a statement that ran over the instant is inside and named", async () => {
    const groups = [groupOf(100, 200, 1_000, { durationS: 30, ddl: true }), groupOf(200, 300, 1_040)];
    const stop = await resolveTime(logOf([withGroups(1, groups)]), time(1_010));
    expect(stop.position).toBe(200);
    expect(stop.doubts).toEqual([expect.stringMatching(/began by .* but ended later and will be inside \(0-1-100 .* running 30 s\)/)]);
  });

  test("what the backup holds already is not looked at", async () => {
    const stop = await resolveTime({ ...log, from: { file: logFile(1), position: 300, gtid: "0-1-200" } }, time(1_006));
    expect(stop).toMatchObject({ position: 400, lastGroup: second[0] });
  });

  test("an instant before the first backup or in the future is refused with the range", async () => {
    for (const atS of [99, 2_001]) {
      const error = await failure(resolveTime({ ...log, fromMs: 100_000, nowMs: 2_000_000 }, time(atS)));
      expect(error.code).toBe("OUT_OF_COVERAGE");
      expect(error.message).toContain("1970-01-01T00:01:40.000Z to 1970-01-01T00:33:20.000Z");
    }
    expect((await failure(resolveTime(log, "yesterday"))).code).toBe("INPUT_INVALID");
  });

  test("for any log it is the place a plain walk over all groups finds", async () => {
    const stamps = fc.array(fc.array(fc.integer({ min: 1_000, max: 1_020 }), { maxLength: 6 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(stamps, fc.integer({ min: 995, max: 1_025 }), async (lists, atS) => {
        const parts = lists.map((list, index) => {
          const groups = list.map((stampS, group) => groupOf(10 + group * 10, 20 + group * 10, stampS));
          const range = { startPosition: 0, endPosition: 10 + list.length * 10, closesFile: true };
          return list.length === 0 ? ([segmentOf(index + 1, [0, 10], { closesFile: true }), groups] as const) : withGroups(index + 1, groups, range);
        });
        const stop = await resolveTime(logOf(parts), time(atS));
        const all = parts.flatMap(([segment, groups]) => groups.map((group) => ({ file: segment.file, group })));
        const late = all.findIndex(({ group }) => group.stampS > atS);
        const last = parts.at(-1)![0];
        const expected = late === -1 ? { file: last.file, position: last.endPosition } : { file: all[late]!.file, position: all[late]!.group.start };
        expect({ file: stop.file, position: stop.position }).toEqual(expected);
        expect(stop.lastGroup).toEqual((late === -1 ? all.at(-1) : all[late - 1])?.group ?? null);
      }),
    );
  });
});

describe("other goals", () => {
  const first = [groupOf(100, 200, 1_000, { gtid: "0-1-1" }), groupOf(200, 300, 1_010, { gtid: "1-1-7" })];
  const second = [groupOf(300, 400, 1_005, { gtid: "0-1-2" })];
  const log = logOf([
    withGroups(1, first, { startPosition: 0, gtidAfter: "0-1-1,1-1-7" }),
    withGroups(1, second, { gtidBefore: "0-1-1,1-1-7", gtidAfter: "0-1-2,1-1-7", endPosition: 440 }),
  ]);

  test("a GTID stops behind its group, opening only the piece that holds it", async () => {
    const own = logOf(log.segments.map((segment, index) => [segment, index === 0 ? first : second] as const));
    expect(await resolveGtid(own, "0-1-2")).toMatchObject({ position: 400, lastGroup: second[0], nextGroup: null });
    expect(own.opened).toEqual([`${logFile(1)}:300`]);
    expect(await resolveGtid(log, "1-1-7")).toMatchObject({ position: 300, lastGroup: first[1], nextGroup: second[0] });
  });

  test("a GTID that is not stored is refused with what is", async () => {
    for (const gtid of ["0-1-3", "2-1-1", "0-9-1"]) {
      const error = await failure(resolveGtid(log, gtid));
      expect(error.code).toBe("OUT_OF_COVERAGE");
      expect(error.message).toContain("0-1-2,1-1-7");
    }
  });

  test("a position must lie between two groups; inside one the two nearest places are named", async () => {
    expect(await resolvePosition(log, { file: logFile(1), position: 300 })).toMatchObject({ lastGroup: first[1], nextGroup: second[0] });
    expect(await resolvePosition(log, { file: logFile(1), position: 200 })).toMatchObject({ lastGroup: first[0], nextGroup: first[1] });
    expect(await resolvePosition(log, { file: logFile(1), position: 440 })).toMatchObject({ lastGroup: second[0], nextGroup: null });
    const error = await failure(resolvePosition(log, { file: logFile(1), position: 250 }));
    expect(error.code).toBe("INPUT_INVALID");
    expect(error.hint).toContain("bin.000001:200 (before it) or bin.000001:300 (behind it)");
  });

  test("a position inside an event that belongs to no group is refused too", async () => {
    const error = await failure(resolvePosition(log, { file: logFile(1), position: 50 }));
    expect(error.hint).toContain("bin.000001:0 (before it) or bin.000001:100 (behind it)");
    expect((await failure(resolvePosition(log, { file: logFile(1), position: 420 }))).hint).toContain("bin.000001:400 (before it) or bin.000001:440 (behind it)");
  });

  test("a position outside the stored log is refused", async () => {
    for (const place of [{ file: logFile(2), position: 4 }, { file: logFile(1), position: 441 }]) {
      expect((await failure(resolvePosition(log, place))).code).toBe("OUT_OF_COVERAGE");
    }
  });

  test("latest is the end of the stored log", async () => {
    expect(await resolveGoal(log, { kind: "latest" })).toEqual({ file: logFile(1), position: 440, lastGroup: second[0], nextGroup: null, doubts: [] });
  });
});
