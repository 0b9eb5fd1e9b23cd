import { Cron } from "croner";
import { HoldfastError } from "../lib/errors.ts";
import type { Schedule } from "./policy.ts";

/**
 * The instant that is due now, in milliseconds since 1970, or null. However many were missed, it is one: the newest
 * that is not in the future and lies after `lastScheduledMs`.
 *
 * `cron` is read in `zone` (IANA). In a night whose clock jumps forward an instant that does not exist falls on the
 * first one after the jump; where an hour comes twice, a fixed time runs at its first coming and `*` fields in both.
 * `every` counts from the last scheduled instant; never scheduled means due at once. A cron schedule that was never
 * served is due only from its next instant on: hand in the moment in which it was first seen as `lastScheduledMs`.
 */
export function dueInstant(schedule: Schedule, zone: string, lastScheduledMs: number | null, nowMs: number): number | null {
  return dueAt(nowMs)(schedule, zone, lastScheduledMs);
}

export type DueInstant = (schedule: Schedule, zone: string, lastScheduledMs: number | null) => number | null;

/** `dueInstant` for one moment and many instances: each cron expression is worked out once per zone. */
export function dueAt(nowMs: number): DueInstant {
  const newest = new Map<string, number | null>();
  return (schedule, zone, lastScheduledMs) => {
    if ("every" in schedule) return dueInterval(schedule.every, lastScheduledMs, nowMs);
    if (lastScheduledMs === null) return null;
    const key = `${zone} ${schedule.cron}`;
    const known = newest.get(key);
    const newestMs = known === undefined ? newestInstant(parseCron(schedule.cron, zone), nowMs) : known;
    newest.set(key, newestMs);
    return newestMs !== null && newestMs > lastScheduledMs ? newestMs : null;
  };
}

/** The next instant after `afterMs`, for people; null when there will be none. */
export function nextInstant(schedule: Schedule, zone: string, lastScheduledMs: number | null, afterMs: number): number | null {
  if ("cron" in schedule) return parseCron(schedule.cron, zone).nextRun(new Date(afterMs))?.getTime() ?? null;
  if (lastScheduledMs === null) return afterMs;
  const periods = Math.max(Math.floor((afterMs - lastScheduledMs) / schedule.every) + 1, 1);
  return lastScheduledMs + periods * schedule.every;
}

function dueInterval(everyMs: number, lastScheduledMs: number | null, nowMs: number): number | null {
  if (lastScheduledMs === null) return nowMs;
  const periods = Math.floor((nowMs - lastScheduledMs) / everyMs);
  return periods < 1 ? null : lastScheduledMs + periods * everyMs;
}

function newestInstant(cron: Cron, nowMs: number): number | null {
  // `previousRuns` excludes its reference and counts whole seconds.
  const reference = new Date(Math.floor(nowMs / 1_000) * 1_000 + 1_000);
  return cron.previousRuns(1, reference)[0]?.getTime() ?? null;
}

/** CONFIG_INVALID names the expression at fault. */
export function parseCron(expression: string, zone: string): Cron {
  try {
    return new Cron(expression, { timezone: zone, paused: true });
  } catch (error) {
    throw new HoldfastError("CONFIG_INVALID", `'${expression}' is not a cron expression: ${error instanceof Error ? error.message : String(error)}.`, { cause: error });
  }
}
