import { isoTime } from "../lib/clock.ts";
import type { LogGroup } from "./log-groups.ts";
import { formatPosition } from "./position.ts";

/** What was seen on the way to a stop point. */
export interface TimeFacts {
  readonly atS: number;
  /** Groups inside whose stamps are later than the instant and were not believed. */
  readonly ignored: LogGroup[];
  /** Groups inside that a clock cannot place: begun in the very second, or running over it. */
  readonly near: LogGroup[];
  clockAheadS: number;
}

/** Set when the stored log ended before a later group came. */
export interface LogEnd {
  readonly file: string;
  readonly position: number;
  readonly atMs: number;
  readonly receivedAt: string | null;
}

const NAMED = 3;

/** Remembers a group inside when there is something to say of it. */
export function noteGroup(facts: TimeFacts, group: LogGroup): void {
  if (group.stampS > facts.atS) facts.ignored.push(group);
  else if (group.stampS === facts.atS || group.stampS + group.durationS > facts.atS) facts.near.push(group);
}

/** What a clock cannot decide about a stop point, in sentences. */
export function describeDoubts(facts: TimeFacts, end: LogEnd | null): string[] {
  const { atS } = facts;
  const at = second(atS);
  const sameSecond = facts.near.filter((group) => group.stampS === atS);
  // Logged when it is done: what began before the instant and ran over it was committed after it and is inside all the same.
  const running = facts.near.filter((group) => group.stampS + group.durationS > atS);
  return [
    ...(sameSecond.length === 0 ? [] : [`${count(sameSecond)} began in second ${at} itself and will be inside (${names(sameSecond)}); a clock of whole seconds cannot divide them.`]),
    ...(running.length === 0 ? [] : [`${count(running)} began by ${at} but ended later and will be inside (${names(running)}).`]),
    ...(facts.ignored.length === 0
      ? []
      : [`${count(facts.ignored)} with stamps later than their arrival will be inside, as their stamps were set by hand (${names(facts.ignored)}).`]),
    ...(facts.clockAheadS === 0 ? [] : [`The database's clock runs about ${String(facts.clockAheadS)} s ahead of Holdfast's; the instant was compared with the database's clock.`]),
    ...(end === null ? [] : [endDoubt(end)]),
  ];
}

function endDoubt(end: LogEnd): string {
  const received = end.receivedAt === null ? "" : `, received ${end.receivedAt}`;
  return `No transaction later than ${isoTime(end.atMs)} is stored: the log ends at ${formatPosition(end)}${received}. What was committed after that and up to the instant, if anything, is not inside.`;
}

function count(groups: readonly LogGroup[]): string {
  return groups.length === 1 ? "1 transaction" : `${String(groups.length)} transactions`;
}

function names(groups: readonly LogGroup[]): string {
  const named = groups.slice(-NAMED).map((group) => `${group.gtid} of ${second(group.stampS)}${group.durationS > 0 ? ` running ${String(group.durationS)} s` : ""}`);
  return groups.length > NAMED ? `the last of them ${named.join(", ")}` : named.join(", ");
}

function second(stampS: number): string {
  return isoTime(stampS * 1_000);
}
