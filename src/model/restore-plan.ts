import { isoTime } from "../lib/clock.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { type Backup, type CoverageGap, isTakenLater } from "./backup.ts";
import { bestChainFor, chainOf, failedVerification, wholeChains } from "./chain.ts";
import { segmentsBetween } from "./coverage.ts";
import type { Instance } from "./instance.ts";
import type { LogGroupIndex } from "./log-groups.ts";
import type { LogSegment } from "./manifest.ts";
import { comparePositions, formatPosition, type LogPosition } from "./position.ts";
import { type ReachableLog, resolveGoal } from "./resolve-goal.ts";
import type { RestoreGoal, StopPoint } from "./restore.ts";
import { formatInZone } from "./zoned-time.ts";

/** Everything that decides how an instance is brought back. */
export interface RestoreQuestion {
  readonly instance: Pick<Instance, "name" | "timeZone">;
  readonly goal: RestoreGoal;
  readonly allowGap: boolean;
  /** Of this instance, in any order; likewise the segments. */
  readonly backups: readonly Backup[];
  readonly segments: readonly LogSegment[];
  readonly nowMs: number;
  /** Asked only for segments that can matter. */
  loadGroups(segment: LogSegment): Promise<LogGroupIndex>;
}

/** The way to a goal: a chain, then log from `start` to `stop`. */
export interface RestoreChoice {
  readonly chain: Backup[];
  readonly segments: LogSegment[];
  /** Null when no log is replayed. */
  readonly start: LogPosition | null;
  readonly stop: StopPoint | null;
  readonly gaps: CoverageGap[];
  readonly warnings: string[];
}

/** One timeline in which a restore can begin. */
interface Lineage {
  readonly timeline: string;
  /** With a place in the log and a whole chain, in order of place; at least one. */
  readonly backups: readonly PlacedBackup[];
  readonly oldest: PlacedBackup;
  readonly segments: readonly LogSegment[];
}

type PlacedBackup = Backup & { facts: { logPosition: LogPosition } };

interface Resolved {
  readonly stop: StopPoint;
  readonly warnings: readonly string[];
}

/**
 * Decides how a goal is reached. Throws OUT_OF_COVERAGE with the range that can be reached, GAP when the way leads over
 * a hole that was not accepted, CHAIN_BROKEN or NOT_FOUND for a backup that cannot be had.
 */
export async function chooseRestore(question: RestoreQuestion): Promise<RestoreChoice> {
  const { goal } = question;
  if (goal.kind === "backup") return exactly(question, goal.backupId);
  if (goal.kind === "position" && !/\.\d+$/.test(goal.file)) {
    throw new HoldfastError("INPUT_INVALID", `"${goal.file}" is not the name of a binary log file.`, { hint: "Write it as the server does, for example mariadb-bin.000017:4711." });
  }
  const lineages = lineagesOf(question);
  if (lineages.length === 0) return withoutLog(question);
  if (goal.kind === "time") requireReachable(question, lineages, goal.at);
  const [lineage, resolved] = await resolveInOneOf(question, lineages);
  const beyond = backupBeyondLog(question, lineage, resolved.stop);
  if (beyond !== null) return beyond;
  return wayTo(question, lineage, resolved);
}

function exactly(question: RestoreQuestion, backupId: string): RestoreChoice {
  if (!question.backups.some((backup) => backup.backupId === backupId)) {
    throw new HoldfastError("NOT_FOUND", `${question.instance.name} has no backup ${backupId}.`, { hint: "See `holdfast backup list`." });
  }
  const chain = chainOf(question.backups, backupId);
  return { chain, segments: [], start: null, stop: null, gaps: [], warnings: failureWarnings(chain) };
}

function failureWarnings(chain: readonly Backup[]): string[] {
  const failed = failedVerification(chain);
  return failed === null ? [] : [`The chain of backup ${chain.at(-1)?.backupId ?? ""} failed its ${failed.tier} verification of ${failed.at}.`];
}

/** Newest timeline first; timelines in which no restore can begin are left out. */
function lineagesOf({ backups, segments }: RestoreQuestion): Lineage[] {
  const placed = wholeChains(backups)
    .map(({ tip }) => tip)
    .filter((tip): tip is PlacedBackup => tip.facts.logPosition !== null);
  const timelines = [...new Set(placed.map((backup) => backup.timeline))].sort().reverse();
  return timelines.flatMap((timeline) => {
    const own = placed
      .filter((backup) => backup.timeline === timeline)
      .sort((a, b) => comparePositions(a.facts.logPosition, b.facts.logPosition) || (a.backupId < b.backupId ? -1 : 1));
    const [oldest] = own;
    return oldest === undefined ? [] : [{ timeline, backups: own, oldest, segments: segments.filter((segment) => segment.timeline === timeline) }];
  });
}

/** A server that keeps no log has only its backups to go back to. */
function withoutLog(question: RestoreQuestion): RestoreChoice {
  const { instance, goal, backups } = question;
  const newest = wholeChains(backups).sort((a, b) => (isTakenLater(a.tip, b.tip) ? -1 : 1))[0];
  if (newest === undefined) throw new HoldfastError("OUT_OF_COVERAGE", `${instance.name} has no backup that can be restored.`, { hint: "Take one with `holdfast backup run`." });
  if (goal.kind !== "latest") {
    throw new HoldfastError("OUT_OF_COVERAGE", `No log of ${instance.name} is stored, so only the backups themselves can be reached.`, {
      hint: `Name a backup of \`holdfast backup list\`; the newest is ${newest.tip.backupId}, which ended at ${newest.tip.endedAt}.`,
    });
  }
  const warnings = [...failureWarnings(newest.chain), `No log of ${instance.name} is stored: this is its state as of the backup that ended at ${newest.tip.endedAt}.`];
  return { chain: newest.chain, segments: [], start: null, stop: null, gaps: [], warnings };
}

const endedMs = (backup: Backup): number => Date.parse(backup.endedAt);

function requireReachable({ instance, nowMs }: RestoreQuestion, lineages: readonly Lineage[], at: string): void {
  const atMs = Date.parse(at);
  const fromMs = Math.min(...lineages.map((lineage) => endedMs(lineage.oldest)));
  if (atMs >= fromMs && atMs <= nowMs) return;
  const zone = instance.timeZone;
  const local = (epochMs: number): string => formatInZone(isoTime(epochMs), zone);
  const why = atMs > nowMs ? "lies in the future" : "lies before the first backup that can be restored";
  throw new HoldfastError(
    "OUT_OF_COVERAGE",
    `${isoTime(atMs)} (${local(atMs)}) ${why}: ${instance.name} can be restored to an instant from ${isoTime(fromMs)} to ${isoTime(nowMs)}, that is from ${local(fromMs)} to ${local(nowMs)}.`,
    { details: { from: isoTime(fromMs), to: isoTime(nowMs), at: isoTime(atMs), timeZone: zone } },
  );
}

/** A time belongs to the newest timeline that had a backup by then, the end to the newest; the rest to the newest that holds it. */
async function resolveInOneOf(question: RestoreQuestion, lineages: readonly Lineage[]): Promise<[Lineage, Resolved]> {
  const { goal } = question;
  const possible = goal.kind === "time" ? lineages.filter((lineage) => endedMs(lineage.oldest) <= Date.parse(goal.at)) : lineages;
  const tried = goal.kind === "time" || goal.kind === "latest" ? possible.slice(0, 1) : possible;
  let refusal: unknown;
  for (const lineage of tried) {
    try {
      const resolved = goal.kind === "time" ? await resolveTimeIn(question, lineage, goal) : { stop: await resolveIn(question, lineage), warnings: [] };
      return [lineage, withLineageWarning(question, lineage, resolved)];
    } catch (error) {
      if (!isHoldfastError(error, "OUT_OF_COVERAGE")) throw error;
      refusal ??= error;
    }
  }
  throw refusal;
}

function withLineageWarning({ backups, segments }: RestoreQuestion, lineage: Lineage, resolved: Resolved): Resolved {
  const isNewer = [...backups, ...segments].some((stored) => stored.timeline > lineage.timeline);
  if (!isNewer || resolved.stop.nextGroup !== null) return resolved;
  const warning = `The server's log began anew after ${formatPosition(resolved.stop)} (its lineage changed, or log was purged before it was shipped); what was changed later is not part of this restore.`;
  return { stop: resolved.stop, warnings: [...resolved.warnings, warning] };
}

async function resolveIn(question: RestoreQuestion, lineage: Lineage): Promise<StopPoint> {
  const from = lineage.oldest.facts.logPosition;
  const { segments, gaps } = segmentsBetween(lineage.segments, from, endOfLog(lineage), "jump");
  const { goal } = question;
  if (goal.kind === "position") {
    requireStored(goal, gaps);
    // The log goes on nowhere from here, but a backup stands at this very place.
    const isEnd = [...gaps.map((gap) => gap.after), endOfLog(lineage)].some((end) => comparePositions(end, goal) <= 0 && end.file === goal.file);
    if (isEnd && lineage.backups.some(({ facts }) => formatPosition(facts.logPosition) === formatPosition(goal))) {
      return { file: goal.file, position: goal.position, lastGroup: null, nextGroup: null, doubts: [] };
    }
  }
  return resolveGoal(reachable(question, lineage, { segments, from }), withoutBackup(question.goal));
}

/** Nobody can stop at a place that lies in a hole: it may be in the middle of a transaction. */
function requireStored(goal: Extract<RestoreGoal, { kind: "position" }>, gaps: readonly CoverageGap[]): void {
  const hole = gaps.find((gap) => comparePositions(gap.after, goal) < 0 && (gap.before === null || comparePositions(goal, gap.before) < 0));
  if (hole !== undefined) throw gapRefused(`The position ${formatPosition(goal)} lies in a hole of the log: ${hole.message}`, [hole]);
}

function withoutBackup(goal: RestoreGoal): Exclude<RestoreGoal, { kind: "backup" }> {
  if (goal.kind === "backup") throw new HoldfastError("INTERNAL", "A backup is no place in the log.");
  return goal;
}

function reachable(question: RestoreQuestion, lineage: Lineage, stretch: Pick<ReachableLog, "segments" | "from">): ReachableLog {
  return { ...stretch, loadGroups: (segment) => question.loadGroups(segment), fromMs: endedMs(lineage.oldest), nowMs: question.nowMs };
}

/**
 * Looks for an instant one unbroken stretch after the other, because a hole says nothing about time: an instant that
 * falls into one stops in front of it, when the operator accepts the loss.
 */
async function resolveTimeIn(question: RestoreQuestion, lineage: Lineage, goal: Extract<RestoreGoal, { kind: "time" }>): Promise<Resolved> {
  const end = endOfLog(lineage);
  let from: LogPosition = lineage.oldest.facts.logPosition;
  let before: { stop: StopPoint; gap: CoverageGap } | null = null;
  for (;;) {
    const path = segmentsBetween(lineage.segments, from, end, "stop");
    const stop = await resolveGoal(reachable(question, lineage, { segments: path.segments, from }), goal);
    const isFirst = stop.nextGroup !== null && stop.lastGroup === null;
    if (before !== null && isFirst && !hasBackupBy(lineage, { from, to: stop, at: goal.at })) return inHole(question, goal.at, before);
    const gap = path.gaps[0];
    if (stop.nextGroup !== null || gap === undefined || gap.before === null) return { stop, warnings: [] };
    if (before === null || stop.lastGroup !== null) before = { stop, gap };
    from = gap.before;
  }
}

/** True when a backup of this stretch was complete by then: it holds everything in front of it, hole or not. */
function hasBackupBy(lineage: Lineage, stretch: { from: LogPosition; to: StopPoint; at: string }): boolean {
  return lineage.backups.some(
    (backup) =>
      comparePositions(backup.facts.logPosition, stretch.from) >= 0 &&
      comparePositions(backup.facts.logPosition, stretch.to) <= 0 &&
      endedMs(backup) <= Date.parse(stretch.at),
  );
}

function inHole(question: RestoreQuestion, at: string, before: { stop: StopPoint; gap: CoverageGap }): Resolved {
  const what = `${at} may lie in a hole of the log of ${question.instance.name}: ${before.gap.message}`;
  if (!question.allowGap) throw gapRefused(what, [before.gap]);
  return { stop: before.stop, warnings: [`${what} The restore ends in front of it, at ${formatPosition(before.stop)}; what was committed in it is lost.`] };
}

function gapRefused(what: string, gaps: readonly CoverageGap[]): HoldfastError {
  return new HoldfastError("GAP", what, { details: { gaps } });
}

/** The end of everything stored of a timeline; the oldest backup's place when nothing is. */
function endOfLog(lineage: Lineage): LogPosition {
  return lineage.segments.reduce<LogPosition>((end, segment) => {
    const place = { file: segment.file, position: segment.endPosition, gtid: segment.gtidAfter };
    return comparePositions(place, end) > 0 ? place : end;
  }, lineage.oldest.facts.logPosition);
}

/** When the end of the log was asked for and a backup was taken behind it, that backup alone is nearer to the goal. */
function backupBeyondLog(question: RestoreQuestion, lineage: Lineage, stop: StopPoint): RestoreChoice | null {
  const { goal } = question;
  if ((goal.kind !== "latest" && goal.kind !== "time") || stop.nextGroup !== null) return null;
  const inTime = lineage.backups.filter((backup) => goal.kind === "latest" || endedMs(backup) <= Date.parse(goal.at));
  const newest = inTime.at(-1);
  if (newest === undefined || comparePositions(newest.facts.logPosition, stop) <= 0) return null;
  const chosen = bestChainFor(inTime.length === lineage.backups.length ? question.backups : withParents(question, inTime), newest.facts.logPosition, lineage.timeline);
  const tip = chosen?.chain.at(-1);
  if (chosen === null || tip === undefined || tip.facts.logPosition === null || comparePositions(tip.facts.logPosition, stop) <= 0) return null;
  const warning = `The stored log ends at ${formatPosition(stop)}, before backup ${tip.backupId}: this is the state as of that backup, which ended at ${tip.endedAt}.`;
  return { chain: chosen.chain, segments: [], start: null, stop: null, gaps: [], warnings: [...chosen.warnings, warning] };
}

/** Backups and everything they build on. */
function withParents({ backups }: RestoreQuestion, tips: readonly Backup[]): Backup[] {
  return [...new Set(tips.flatMap((tip) => chainOf(backups, tip.backupId)))];
}

function wayTo(question: RestoreQuestion, lineage: Lineage, resolved: Resolved): RestoreChoice {
  const { stop } = resolved;
  const chosen = bestChainFor(question.backups, stop, lineage.timeline);
  const from = chosen?.chain.at(-1)?.facts.logPosition ?? null;
  if (chosen === null || from === null) throw new HoldfastError("OUT_OF_COVERAGE", `No backup of ${question.instance.name} lies before ${formatPosition(stop)}.`);
  const warnings = [...chosen.warnings, ...resolved.warnings];
  if (comparePositions(from, stop) >= 0) return { chain: chosen.chain, segments: [], start: null, stop, gaps: [], warnings };
  const way = logWay(lineage.segments, from, stop);
  if (way.gaps.length === 0) return { chain: chosen.chain, ...way, stop, warnings };
  const holes = way.gaps.map((gap) => gap.message).join(" ");
  if (!question.allowGap) throw gapRefused(`The way of ${question.instance.name} to ${formatPosition(stop)} leads over a hole in its log: ${holes}`, way.gaps);
  const lost = "The changes in the hole are lost, and what follows it may not apply.";
  return { chain: chosen.chain, ...way, stop, warnings: [...warnings, `${holes} ${lost}`] };
}

export interface LogWay {
  /** Whole from the head of each file, because a log file can only be read with its head. */
  readonly segments: LogSegment[];
  readonly start: LogPosition;
  readonly gaps: CoverageGap[];
}

/**
 * The pieces that a replay from one place to another reads. Holes on the way are in `gaps`; throws GAP when the log
 * does not reach `stop` or a file's head is missing, which no operator can accept.
 */
export function logWay(stored: readonly LogSegment[], from: LogPosition, stop: { file: string; position: number }): LogWay {
  const path = segmentsBetween(stored, from, stop, "jump");
  const unreached = path.gaps.find((gap) => gap.before === null);
  if (unreached !== undefined) throw gapRefused(unreached.message, path.gaps);
  const head = segmentsBetween(stored, { file: path.start.file, position: 0, gtid: "" }, path.start, "jump").segments;
  const segments = [...new Map([...head, ...path.segments].map((segment) => [segment.segmentId, segment])).values()];
  for (const file of new Set(segments.map((segment) => segment.file))) {
    if (segments.find((segment) => segment.file === file)?.startPosition === 0) continue;
    throw gapRefused(`The head of ${file} is not stored, and without it nothing of that file can be replayed.`, path.gaps);
  }
  return { segments, start: path.start, gaps: path.gaps };
}
