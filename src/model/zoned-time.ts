import { HoldfastError } from "../lib/errors.ts";

const LOCAL_TIME = /^(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?)?$/;
const WITH_OFFSET = /(?:Z|[+-]\d{2}:?\d{2})$/;

/** Milliseconds that the zone's clocks are ahead of UTC at this instant. */
function zoneOffsetMs(zone: string, epochMs: number): number {
  const parts = new Intl.DateTimeFormat("en-US", {
    timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric",
  }).formatToParts(epochMs);
  const part = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.find((candidate) => candidate.type === type)?.value);
  const wallMs = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
  return wallMs - Math.floor(epochMs / 1_000) * 1_000;
}

/**
 * What a person means by a time, in milliseconds since 1970. With `Z` or an offset it is exact; without one it is read
 * on the clocks of `zone`. Throws INPUT_INVALID for text that is no time and for hours that a clock change skips or
 * shows twice: those need an offset, because guessing would restore to the wrong hour.
 */
export function parseTime(text: string, zone: string): number {
  const trimmed = text.trim();
  if (WITH_OFFSET.test(trimmed) && trimmed.length > 10) {
    const exact = Date.parse(trimmed.replace(" ", "T"));
    if (!Number.isNaN(exact)) return exact;
  }
  const wallMs = wallClockMs(trimmed);
  if (wallMs === null) {
    throw new HoldfastError("INPUT_INVALID", `"${text}" is not a time.`, {
      hint: `Write for example "2026-11-21 14:02:59" (read in ${zone}) or "2026-11-21T13:02:59Z".`,
    });
  }
  const offsets = new Set([wallMs - 86_400_000, wallMs, wallMs + 86_400_000].map((nearMs) => zoneOffsetMs(zone, nearMs)));
  const instants = [...offsets].map((offsetMs) => wallMs - offsetMs).filter((instant) => instant + zoneOffsetMs(zone, instant) === wallMs);
  const [only, other] = instants.toSorted((a, b) => a - b);
  if (only !== undefined && other === undefined) return only;
  const why = only === undefined ? "does not exist there: clocks were put forward over it" : "exists twice there: clocks were put back over it";
  throw new HoldfastError("INPUT_INVALID", `"${text}" in ${zone} ${why}.`, { hint: "Write the time with an offset, for example 2026-10-25T02:30:00+01:00." });
}

function wallClockMs(text: string): number | null {
  const match = LOCAL_TIME.exec(text);
  if (match === null) return null;
  const [year, month, day, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map((digits) => Number(digits || 0));
  const millisecond = Number((match[7] ?? "0").padEnd(3, "0"));
  const wall = new Date(Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second, millisecond));
  const same = wall.getUTCMonth() === (month ?? 1) - 1 && wall.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  return same ? wall.getTime() : null;
}

/** `2026-11-21 15:02:59 Europe/Berlin`: for people; seconds are as fine as binary logs are. */
export function formatInZone(iso: string, zone: string): string {
  const epochMs = Date.parse(iso);
  const local = new Date(epochMs + zoneOffsetMs(zone, epochMs)).toISOString();
  return `${local.slice(0, 10)} ${local.slice(11, 19)} ${zone}`;
}
