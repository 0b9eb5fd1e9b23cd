import { isoTime } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import { describeDoubts, noteGroup, type TimeFacts } from "./goal-doubts.ts";
import { includesGtid, parseGtid, parseGtidList } from "./gtid.ts";
import type { LogGroup, LogGroupIndex } from "./log-groups.ts";
import type { LogSegment } from "./manifest.ts";
import { comparePositions, formatPosition, type LogPosition } from "./position.ts";
import type { RestoreGoal, StopPoint } from "./restore.ts";
import { stampJudge } from "./stamps.ts";

/** The unbroken stretch of log in which a goal is looked for. */
export interface ReachableLog {
  /** In log order without a hole, as `segmentsBetween` gives them; overlaps are fine. */
  readonly segments: readonly LogSegment[];
  /** The list of groups of one segment; asked only for segments that can matter. */
  loadGroups(segment: LogSegment): Promise<LogGroupIndex>;
  /** Where the oldest usable backup stands, and the instant it ended. */
  readonly from: LogPosition;
  readonly fromMs: number;
  readonly nowMs: number;
}

/** Where replay stops for any goal that needs the log. */
export async function resolveGoal(log: ReachableLog, goal: Exclude<RestoreGoal, { kind: "backup" }>): Promise<StopPoint> {
  if (goal.kind === "time") return resolveTime(log, goal.at);
  if (goal.kind === "gtid") return resolveGtid(log, goal.gtid);
  if (goal.kind === "position") return resolvePosition(log, goal);
  return resolveLatest(log);
}

/**
 * Stops before the first group, in log order, whose GTID stamp is later than `at`. Stamps are whole seconds in which
 * statements began, so a fraction of `at` is cut off: 14:03:07.9 keeps all that began in second 14:03:07 and nothing
 * that began later. Stamps that lie after the moment the events reached us are ignored (`SET TIMESTAMP`).
 * Throws OUT_OF_COVERAGE with the range that can be reached.
 */
export async function resolveTime(log: ReachableLog, at: string): Promise<StopPoint> {
  const atMs = Date.parse(at);
  if (Number.isNaN(atMs)) throw new HoldfastError("INPUT_INVALID", `"${at}" is not an instant.`, { hint: "Write ISO 8601 with a zone, for example 2026-01-31T14:03:07Z." });
  if (atMs < log.fromMs || atMs > log.nowMs) throw outside(log, `The instant ${isoTime(atMs)} cannot be reached`);
  const atS = Math.floor(atMs / 1_000);
  const facts: TimeFacts = { atS, ignored: [], near: [], clockAheadS: 0 };
  // A later segment can hold earlier stamps, but the first group that is too late decides, so it can only lie here or behind.
  const firstLate = log.segments.findIndex((segment) => segment.lastStampS !== null && segment.lastStampS > atS);
  const scanFrom = firstLate === -1 ? log.segments.length : firstLate;
  let lastGroup = await lastGroupBefore(log, scanFrom, facts);
  for (const [index, segment] of [...log.segments.entries()].slice(scanFrom)) {
    const groups = await groupsIn(log, index);
    const judge = stampJudge(segment, groups);
    facts.clockAheadS = Math.max(facts.clockAheadS, judge.clockAheadS);
    for (const group of groups) {
      if (group.stampS > atS && judge.believes(group)) {
        return { file: segment.file, position: group.start, lastGroup, nextGroup: group, doubts: describeDoubts(facts, null) };
      }
      noteGroup(facts, group);
      lastGroup = group;
    }
  }
  const end = endOf(log);
  return { ...end, lastGroup, nextGroup: null, doubts: describeDoubts(facts, { ...end, atMs, receivedAt: log.segments.at(-1)?.arrivals.at(-1)?.at ?? null }) };
}

/** Stops right behind the group with this GTID. Throws INPUT_INVALID, or OUT_OF_COVERAGE naming the GTIDs that are stored. */
export async function resolveGtid(log: ReachableLog, gtid: string): Promise<StopPoint> {
  const wanted = parseGtid(gtid);
  const isCandidate = (segment: LogSegment): boolean => !includesGtid(segment.gtidBefore, wanted) && includesGtid(segment.gtidAfter, wanted);
  const order = [...log.segments.entries()].sort((a, b) => Number(isCandidate(b[1])) - Number(isCandidate(a[1])) || a[0] - b[0]);
  for (const [index, segment] of order) {
    // Sequences of a domain rise, unless the server was not strict about it: then only looking helps.
    if (!isCandidate(segment) && !mentions(segment, wanted.domain)) continue;
    const groups = await groupsIn(log, index);
    const at = groups.findIndex((group) => group.gtid === gtid.trim());
    const found = groups[at];
    if (found === undefined) continue;
    const next = groups[at + 1] ?? (await firstGroupBehind(log, index));
    return { file: segment.file, position: found.end, lastGroup: found, nextGroup: next, doubts: [] };
  }
  throw outside(log, `The transaction ${gtid} is not in the stored log`);
}

/** Stops at a byte position, which must be the end of a group or of the stored log. Throws INPUT_INVALID naming the nearest places, or OUT_OF_COVERAGE. */
export async function resolvePosition(log: ReachableLog, place: { file: string; position: number }): Promise<StopPoint> {
  const end = endOf(log);
  const isAnyWhere = log.segments.some((segment) => segment.file === place.file) || place.file === log.from.file;
  if (!isAnyWhere || comparePositions(place, log.from) < 0 || comparePositions(place, end) > 0) {
    throw outside(log, `The position ${formatPosition(place)} is not in the stored log`);
  }
  let lastGroup: LogGroup | null = null;
  let boundary = place.file === log.from.file ? log.from.position : 0;
  for (const [index, segment] of log.segments.entries()) {
    if (segment.file !== place.file || segment.endPosition < place.position) continue;
    boundary = Math.max(boundary, segment.startPosition);
    for (const group of await groupsIn(log, index)) {
      if (place.position === boundary || place.position === group.start) return { ...place, lastGroup: lastGroup ?? (await groupBefore(log, index)), nextGroup: group, doubts: [] };
      if (place.position < group.start) throw betweenPlaces(place, boundary, group.start);
      if (place.position < group.end) throw betweenPlaces(place, group.start, group.end);
      lastGroup = group;
      boundary = group.end;
    }
    if (place.position === boundary || place.position === segment.endPosition) {
      return { ...place, lastGroup: lastGroup ?? (await groupBefore(log, index)), nextGroup: await firstGroupBehind(log, index), doubts: [] };
    }
    if (place.position < segment.endPosition) throw betweenPlaces(place, boundary, segment.endPosition);
  }
  return { ...place, lastGroup: await groupBefore(log, log.segments.length), nextGroup: null, doubts: [] };
}

/** Stops at the end of what is stored. */
export async function resolveLatest(log: ReachableLog): Promise<StopPoint> {
  return { ...endOf(log), lastGroup: await groupBefore(log, log.segments.length), nextGroup: null, doubts: [] };
}

/** Groups of one segment that no segment in front of it holds already and that the backup does not contain. */
async function groupsIn(log: ReachableLog, index: number): Promise<LogGroup[]> {
  const segment = log.segments[index];
  if (segment === undefined || segment.groupCount === 0) return [];
  const before = log.segments[index - 1];
  const held = before?.file === segment.file ? before.endPosition : 0;
  const from = segment.file === log.from.file ? Math.max(held, log.from.position) : held;
  return (await log.loadGroups(segment)).groups.filter((group) => group.start >= from);
}

async function groupBefore(log: ReachableLog, index: number): Promise<LogGroup | null> {
  for (let at = index - 1; at >= 0; at -= 1) {
    const last = (await groupsIn(log, at)).at(-1);
    if (last !== undefined) return last;
  }
  return null;
}

async function firstGroupBehind(log: ReachableLog, index: number): Promise<LogGroup | null> {
  for (let at = index + 1; at < log.segments.length; at += 1) {
    const first = (await groupsIn(log, at)).at(0);
    if (first !== undefined) return first;
  }
  return null;
}

/** The last group in front of the scan; the segment that holds it also tells what ran near the instant. */
async function lastGroupBefore(log: ReachableLog, index: number, facts: TimeFacts): Promise<LogGroup | null> {
  for (let at = index - 1; at >= 0; at -= 1) {
    const groups = await groupsIn(log, at);
    for (const group of groups) noteGroup(facts, group);
    const last = groups.at(-1);
    if (last !== undefined) return last;
  }
  return null;
}

function mentions(segment: LogSegment, domain: number): boolean {
  return parseGtidList(segment.gtidAfter).has(domain) && segment.gtidAfter !== segment.gtidBefore;
}

function endOf(log: ReachableLog): { file: string; position: number } {
  const last = log.segments.at(-1);
  return last === undefined ? { file: log.from.file, position: log.from.position } : { file: last.file, position: last.endPosition };
}

function betweenPlaces(place: { file: string; position: number }, before: number, after: number): HoldfastError {
  const ends = [before, after].map((position) => formatPosition({ file: place.file, position }));
  return new HoldfastError("INPUT_INVALID", `The position ${formatPosition(place)} lies between two places where replay can stop.`, {
    hint: `Name ${ends.join(" (before it) or ")} (behind it).`,
    details: { before, after },
  });
}

function outside(log: ReachableLog, what: string): HoldfastError {
  const end = endOf(log);
  const gtids = `${log.from.gtid === "" ? "the beginning" : log.from.gtid} to ${log.segments.at(-1)?.gtidAfter ?? log.from.gtid}`;
  return new HoldfastError(
    "OUT_OF_COVERAGE",
    `${what}: what can be reached is ${isoTime(log.fromMs)} to ${isoTime(log.nowMs)}, ${formatPosition(log.from)} to ${formatPosition(end)}, GTID ${gtids}.`,
    { details: { from: log.from, to: end, fromTime: isoTime(log.fromMs), nowTime: isoTime(log.nowMs) } },
  );
}
