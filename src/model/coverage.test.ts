import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backupAt, logFile, segmentOf, TIMELINE } from "../../test/fixtures/log-segments.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { coverage, segmentsBetween } from "./coverage.ts";
import type { LogSegment } from "./manifest.ts";
import { logFileNumber } from "./position.ts";

const at = (fileNumber: number, position: number) => ({ file: logFile(fileNumber), position, gtid: "" });

describe("coverage", () => {
  test("joins pieces inside a file and over a closed file, and prefers a segment to its tails", () => {
    const pieces = [
      segmentOf(1, [0, 100], { kind: "tail" }),
      segmentOf(1, [100, 200], { kind: "tail" }),
      segmentOf(1, [0, 200], { closesFile: true }),
      segmentOf(2, [0, 50], { kind: "tail" }),
    ];
    const { intervals, gaps } = coverage("i", [backupAt("b1", at(1, 150)), backupAt("b2", at(2, 51)), backupAt("b3", null)], pieces);
    expect(gaps).toEqual([]);
    expect(intervals).toMatchObject([{ from: at(1, 0), to: at(2, 50), pieceCount: 2, backupIds: ["b1"] }]);
  });

  test("a file that nobody saw the end of does not join the next", () => {
    const { intervals, gaps } = coverage("i", [], [segmentOf(1, [0, 200]), segmentOf(2, [0, 50])]);
    expect(intervals.length).toBe(2);
    expect(gaps[0]?.message).toContain("the end of bin.000001 behind position 200");
  });

  test("a missing file and missing bytes are named, with the instants between", () => {
    const pieces = [
      segmentOf(1, [0, 200], { closesFile: true, groupCount: 1, firstStampS: 100, lastStampS: 160 }),
      segmentOf(3, [0, 10]),
      segmentOf(3, [30, 40], { groupCount: 1, firstStampS: 220, lastStampS: 230 }),
    ];
    const { gaps } = coverage("i", [], pieces);
    expect(gaps.map((gap) => gap.message)).toEqual([
      "The log is not stored from bin.000001:200 to bin.000003:0: the file between them is missing.",
      "20 bytes of bin.000003 are not stored, from bin.000003:10 to bin.000003:30.",
    ]);
    const timed = coverage("i", [], [pieces[0]!, segmentOf(3, [0, 10], { groupCount: 1, firstStampS: 220, lastStampS: 230 })]).gaps;
    expect(timed[0]?.message).toContain("Instants between 1970-01-01T00:02:40.000Z and 1970-01-01T00:03:40.000Z cannot be reached.");
  });

  test("a backup at the head of a file that follows a closed one lies at the end of the interval", () => {
    const closed = coverage("i", [backupAt("b", at(2, 4))], [segmentOf(1, [0, 10], { closesFile: true })]);
    expect(closed.intervals[0]?.backupIds).toEqual(["b"]);
    const open = coverage("i", [backupAt("b", at(2, 4))], [segmentOf(1, [0, 10])]);
    expect(open.intervals[0]?.backupIds).toEqual([]);
  });

  test("timelines never join, though their files have the same names", () => {
    const other = "01ARZ3NDEKTSV4RRFFQ69G5FB9";
    const { intervals, gaps } = coverage("i", [backupAt("b", at(2, 5), other)], [segmentOf(1, [0, 10], { closesFile: true }), segmentOf(2, [0, 10], { timeline: other })]);
    expect(gaps).toEqual([]);
    expect(intervals.map((interval) => [interval.timeline, interval.backupIds])).toEqual([[TIMELINE, []], [other, ["b"]]]);
  });

  test("a stamp later than its arrival is shown as the arrival", () => {
    const piece = segmentOf(1, [0, 10], { groupCount: 1, firstStampS: 50, lastStampS: 2_000_000_000, arrivals: [{ endPosition: 10, at: "1970-01-01T00:01:00.000Z" }] });
    expect(coverage("i", [], [piece]).intervals[0]).toMatchObject({ fromTime: "1970-01-01T00:00:50.000Z", toTime: "1970-01-01T00:01:00.000Z" });
  });
});

interface Line {
  pieces: LogSegment[];
  /** For each file the bytes that some piece holds, and whether its end is known. */
  held: boolean[][];
  closed: boolean[];
}

/** A line of files cut at random into tails, some of them merged into segments, with some pieces lost. */
const lines: fc.Arbitrary<Line> = fc
  .array(fc.record({ lengths: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }), merge: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }), lost: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 12, maxLength: 12 }) }), { minLength: 1, maxLength: 4 })
  .map((files) => {
    const line: Line = { pieces: [], held: [], closed: [] };
    for (const [index, file] of files.entries()) {
      const ends = file.lengths.reduce<number[]>((sums, length) => [...sums, (sums.at(-1) ?? 0) + length], []);
      const total = ends.at(-1) ?? 0;
      const all = ends.map((end, tail) => segmentOf(index + 1, [ends[tail - 1] ?? 0, end], { kind: "tail" }));
      let from = 0;
      for (const [tail, end] of ends.entries()) {
        if (file.merge[tail] !== true) continue;
        all.push(segmentOf(index + 1, [from, end], { closesFile: end === total }));
        from = end;
      }
      const kept = all.filter((_, piece) => (file.lost[piece] ?? 9) > 2);
      line.pieces.push(...kept);
      line.held.push(Array.from({ length: total }, (_, byte) => kept.some((piece) => piece.startPosition <= byte && byte < piece.endPosition)));
      line.closed.push(kept.some((piece) => piece.closesFile));
    }
    return line;
  });

/** Unbroken runs reckoned byte by byte. */
function runsOf(line: Line): string[] {
  const runs: string[] = [];
  let open: string | null = null;
  let last = "";
  for (const [file, bytes] of line.held.entries()) {
    if (file > 0 && !(line.closed[file - 1] === true && line.held[file - 1]?.at(-1) === true)) close();
    for (const [byte, isHeld] of bytes.entries()) {
      if (!isHeld) close();
      else {
        open ??= `${String(file + 1)}:${String(byte)}`;
        last = `${String(file + 1)}:${String(byte + 1)}`;
      }
    }
  }
  close();
  return runs;
  function close(): void {
    if (open !== null) runs.push(`${open}-${last}`);
    open = null;
  }
}

describe("coverage of any line of pieces", () => {
  test("claims every unbroken stretch that pieces hold, and no byte that none holds", () => {
    fc.assert(
      fc.property(lines, (line) => {
        const { intervals } = coverage("i", [], line.pieces);
        const found = intervals.map(({ from, to }) => `${String(logFileNumber(from.file))}:${String(from.position)}-${String(logFileNumber(to.file))}:${String(to.position)}`);
        expect(found).toEqual(runsOf(line));
      }),
      { numRuns: 1_000 },
    );
  });

  test("segmentsBetween gives pieces that hold every byte between two places of one interval", () => {
    fc.assert(
      fc.property(lines, fc.nat(), fc.nat(), (line, a, b) => {
        for (const { from, to } of coverage("i", [], line.pieces).intervals) {
          const fromPosition = from.file === to.file ? from.position + (a % (to.position - from.position + 1)) : from.position;
          const toPosition = from.file === to.file ? fromPosition + (b % (to.position - fromPosition + 1)) : to.position;
          const path = segmentsBetween(line.pieces, { ...from, position: fromPosition }, { file: to.file, position: toPosition });
          expect(path.reached).toEqual({ file: to.file, position: toPosition });
          let place = { file: from.file, position: fromPosition };
          for (const piece of path.segments) {
            if (piece.file !== place.file) place = { file: piece.file, position: 0 };
            expect(piece.startPosition).toBeLessThanOrEqual(place.position);
            place = { file: piece.file, position: piece.endPosition };
          }
        }
      }),
    );
  });
});

describe("segmentsBetween", () => {
  const pieces = [segmentOf(1, [0, 200], { closesFile: true }), segmentOf(3, [0, 10]), segmentOf(3, [30, 40])];

  test("refuses a hole by name, stops before it or jumps over it as told", () => {
    let thrown: unknown;
    try {
      segmentsBetween(pieces, at(1, 4), at(3, 35));
    } catch (error) {
      thrown = error;
    }
    expect(isHoldfastError(thrown, "GAP")).toBe(true);
    expect((thrown as Error).message).toContain("the file between them is missing");
    const stopped = segmentsBetween(pieces, at(1, 4), at(3, 35), "stop");
    expect([stopped.segments.length, stopped.reached, stopped.gaps.length]).toEqual([1, { file: logFile(1), position: 200 }, 1]);
    const jumped = segmentsBetween(pieces, at(1, 4), at(3, 35), "jump");
    expect([jumped.segments.length, jumped.reached, jumped.gaps.length]).toEqual([3, { file: logFile(3), position: 35 }, 2]);
  });

  test("a goal behind the stored log is a gap at its end", () => {
    const path = segmentsBetween(pieces, at(3, 30), at(3, 50), "stop");
    expect(path.gaps).toMatchObject([{ before: null, message: "The stored log ends at bin.000003:40, before bin.000003:50." }]);
  });

  test("from the end of a closed file replay begins at the next file's head", () => {
    const path = segmentsBetween([segmentOf(1, [0, 10], { closesFile: true }), segmentOf(2, [0, 90])], at(1, 10), at(2, 50));
    expect(path.start).toEqual(at(2, 4));
    expect(path.segments.map((piece) => piece.file)).toEqual([logFile(2)]);
  });
});
