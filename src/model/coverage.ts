import { HoldfastError } from "../lib/errors.ts";
import { isoTime } from "../lib/clock.ts";
import type { Backup, Coverage, CoverageGap, CoverageInterval } from "./backup.ts";
import { comparePlaces, LogPath, type LogPlace, placeOf } from "./log-path.ts";
import type { LogSegment } from "./manifest.ts";
import { formatPosition, type LogPosition } from "./position.ts";

/** What coverage looks at of a backup. */
export type PlacedBackup = Pick<Backup, "backupId" | "timeline" | "facts">;

/** Pieces that join without a hole, in log order. */
interface Run {
  readonly timeline: string;
  readonly pieces: LogSegment[];
  readonly from: LogPlace;
  to: LogPlace;
}

/**
 * The proof of which instants can be reached: unbroken runs of stored log per timeline, the holes between them, and
 * the backups from which a restore can enter each run. A backup whose place lies in no interval reaches nothing but itself.
 */
export function coverage(instanceId: string, backups: readonly PlacedBackup[], segments: readonly LogSegment[]): Coverage {
  const timelines = [...new Set(segments.map((segment) => segment.timeline))].sort();
  const intervals: CoverageInterval[] = [];
  const gaps: CoverageGap[] = [];
  for (const timeline of timelines) {
    const pieces = segments.filter((segment) => segment.timeline === timeline);
    const found = runsOf(timeline, pieces).map((run) => intervalOf(run, backups));
    intervals.push(...found);
    gaps.push(...found.slice(1).map((next, index) => gapBetween(found[index] ?? next, next, pieces)));
  }
  return { instanceId, intervals, gaps };
}

function runsOf(timeline: string, pieces: readonly LogSegment[]): Run[] {
  const path = new LogPath(pieces);
  const runs: Run[] = [];
  let at = path.nextStored({ fileNumber: 0, position: 0 });
  while (at !== null) {
    const run: Run = { timeline, pieces: [], from: at, to: at };
    follow(path, run, null);
    runs.push(run);
    at = path.nextStored(run.to);
  }
  return runs;
}

/** Lengthens a run as far as pieces join, or until it holds `until`. */
function follow(path: LogPath<LogSegment>, run: Run, until: LogPlace | null): void {
  for (;;) {
    if (until !== null && comparePlaces(run.to, until) >= 0) return;
    const at = path.continueAt(run.to);
    const piece = path.pieceAt(at);
    if (piece === null) return;
    run.pieces.push(piece);
    run.to = { fileNumber: at.fileNumber, position: piece.endPosition };
  }
}

function intervalOf(run: Run, backups: readonly PlacedBackup[]): CoverageInterval {
  const { from, to } = endsOf(run);
  const withGroups = run.pieces.filter((piece) => piece.groupCount > 0);
  return {
    timeline: run.timeline,
    from,
    to,
    fromTime: stampOf(withGroups.at(0), "firstStampS"),
    toTime: stampOf(withGroups.at(-1), "lastStampS"),
    sizeBytes: run.pieces.reduce((sum, piece) => sum + piece.object.sizeBytes, 0),
    pieceCount: run.pieces.length,
    backupIds: backups.filter((backup) => backup.timeline === run.timeline && liesIn(run, backup.facts.logPosition)).map((backup) => backup.backupId),
  };
}

function endsOf(run: Run): { from: LogPosition; to: LogPosition } {
  const first = run.pieces.at(0);
  const last = run.pieces.at(-1);
  if (first === undefined || last === undefined) throw new HoldfastError("INTERNAL", "A run of log without a piece was found.");
  return {
    from: { file: first.file, position: first.startPosition, gtid: first.gtidBefore },
    to: { file: last.file, position: last.endPosition, gtid: last.gtidAfter },
  };
}

/** A stamp as time; one that lies after its arrival is not believed, the arrival stands for it. */
function stampOf(piece: LogSegment | undefined, which: "firstStampS" | "lastStampS"): string | null {
  const stampS = piece?.[which] ?? null;
  if (piece === undefined || stampS === null) return null;
  const arrivedAt = piece.arrivals.at(-1)?.at;
  const stamp = isoTime(stampS * 1_000);
  return arrivedAt !== undefined && Date.parse(arrivedAt) < stampS * 1_000 ? isoTime(Date.parse(arrivedAt)) : stamp;
}

/** The head of a file (offset 0 or 4) is the same place as the end of the closed file before it. */
const HEAD_POSITION = 4;

function liesIn(run: Run, position: LogPosition | null): boolean {
  if (position === null) return false;
  const place = placeOf(position);
  if (comparePlaces(run.from, place) <= 0 && comparePlaces(place, run.to) <= 0) return true;
  return place.fileNumber === run.to.fileNumber + 1 && place.position <= HEAD_POSITION && run.pieces.at(-1)?.closesFile === true;
}

function gapBetween(before: CoverageInterval, after: CoverageInterval, pieces: readonly LogSegment[]): CoverageGap {
  const times = before.toTime === null || after.fromTime === null ? "" : ` Instants between ${before.toTime} and ${after.fromTime} cannot be reached.`;
  return {
    timeline: before.timeline,
    after: before.to,
    before: after.from,
    message: `${missingBetween(before.to, after.from, new LogPath(pieces))}${times}`,
  };
}

/** One sentence that names what is not stored between two places. */
function missingBetween(after: LogPosition, before: LogPosition, path: LogPath<LogSegment>): string {
  const left = placeOf(after);
  const right = placeOf(before);
  const span = `from ${formatPosition(after)} to ${formatPosition(before)}`;
  if (left.fileNumber === right.fileNumber) {
    return `${String(right.position - left.position)} bytes of ${after.file} are not stored, ${span}.`;
  }
  const parts: string[] = [];
  if (!path.closesAt(left)) parts.push(`the end of ${after.file} behind position ${String(left.position)}`);
  const files = right.fileNumber - left.fileNumber - 1;
  if (files > 0) parts.push(files === 1 ? "the file between them" : `the ${String(files)} files between them`);
  if (right.position > 0) parts.push(`the first ${String(right.position)} bytes of ${before.file}`);
  return `The log is not stored ${span}: ${parts.join(" and ")} is missing.`;
}

export interface SegmentPath {
  /** In log order. A piece may begin before the end of the one in front of it: bytes belong at their own offsets. */
  readonly segments: LogSegment[];
  /** Where replay begins: `from`, or the head of the next file when `from` is the end of a closed one. */
  readonly start: LogPosition;
  /** Where the pieces end or `to`, whichever comes first. */
  readonly reached: { file: string; position: number };
  readonly gaps: CoverageGap[];
}

/** What to do at a hole: throw, end before it, or go on behind it. */
export type OnGap = "refuse" | "stop" | "jump";

/**
 * The pieces of one timeline that hold every byte between two places. Throws GAP, saying what is missing, unless told
 * to `stop` before the first hole or to `jump` over each; then the holes are in `gaps`.
 */
export function segmentsBetween(segments: readonly LogSegment[], from: LogPosition, to: { file: string; position: number }, onGap: OnGap = "refuse"): SegmentPath {
  const path = new LogPath(segments);
  const goal = placeOf(to);
  const gaps: CoverageGap[] = [];
  const taken: LogSegment[] = [];
  let at = placeOf(from);
  let reached: LogPosition = from;
  while (comparePlaces(at, goal) < 0) {
    const run: Run = { timeline: "", pieces: [], from: at, to: at };
    follow(path, run, goal);
    taken.push(...run.pieces);
    reached = endOf(run, reached);
    if (comparePlaces(run.to, goal) >= 0 || isHeadAfter(run.to, goal, path)) break;
    const next = path.nextStored(path.closesAt(run.to) ? { fileNumber: run.to.fileNumber + 1, position: 0 } : run.to);
    gaps.push(holeAt(reached, next === null || comparePlaces(next, goal) >= 0 ? null : next, { to, path, segments }));
    if (onGap === "refuse") throw new HoldfastError("GAP", gaps[0]?.message ?? "The log has a hole.", { details: { gaps } });
    if (onGap === "stop" || next === null) break;
    at = next;
  }
  const end = comparePlaces(placeOf(reached), goal) > 0 ? { file: to.file, position: to.position } : { file: reached.file, position: reached.position };
  return { segments: taken, start: startOf(from, taken), reached: end, gaps };
}

function endOf(run: Run, otherwise: LogPosition): LogPosition {
  const last = run.pieces.at(-1);
  return last === undefined ? otherwise : { file: last.file, position: last.endPosition, gtid: last.gtidAfter };
}

/** The end of a closed file is the head of the next one, of which nothing needs to be stored then. */
function isHeadAfter(at: LogPlace, goal: LogPlace, path: LogPath<LogSegment>): boolean {
  return goal.fileNumber === at.fileNumber + 1 && goal.position <= HEAD_POSITION && path.closesAt(at);
}

function holeAt(after: LogPosition, next: LogPlace | null, context: { to: { file: string; position: number }; path: LogPath<LogSegment>; segments: readonly LogSegment[] }): CoverageGap {
  const piece = next === null ? null : context.path.pieceAt(next);
  const timeline = context.segments.at(0)?.timeline ?? "";
  if (next === null || piece === null) {
    return { timeline, after, before: null, message: `The stored log ends at ${formatPosition(after)}, before ${formatPosition(context.to)}.` };
  }
  const before = { file: piece.file, position: next.position, gtid: piece.gtidBefore };
  return { timeline, after, before, message: missingBetween(after, before, context.path) };
}

function startOf(from: LogPosition, taken: readonly LogSegment[]): LogPosition {
  const first = taken.at(0);
  if (first === undefined || placeOf(from).fileNumber === placeOf({ file: first.file, position: 0 }).fileNumber) return from;
  return { file: first.file, position: HEAD_POSITION, gtid: from.gtid };
}
