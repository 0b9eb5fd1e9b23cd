import { z } from "zod";

const DURATION_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const SIZE_UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 };

/** A duration written as `10s`, `6h` or `7d`; becomes milliseconds. */
export const durationSchema = z
  .string()
  .regex(/^\d+(ms|s|m|h|d|w)$/, "is not a duration; write a whole number and a unit of ms, s, m, h, d or w, for example 10s or 6h")
  .transform((text) => {
    const unit = /[a-z]+$/.exec(text)?.[0] ?? "ms";
    return Number.parseInt(text, 10) * (DURATION_UNITS[unit] ?? 1);
  });

/** A size written as `64MiB`; becomes bytes. */
export const sizeSchema = z
  .string()
  .regex(/^\d+(B|KiB|MiB|GiB|TiB)$/, "is not a size; write a whole number and a unit of B, KiB, MiB, GiB or TiB, for example 64MiB")
  .transform((text) => {
    const unit = /[A-Za-z]+$/.exec(text)?.[0] ?? "B";
    return Number.parseInt(text, 10) * (SIZE_UNITS[unit] ?? 1);
  });

/** A rate written as `50MiB/s` or `50MiB`; becomes bytes per second. */
export const rateSchema = z
  .string()
  .regex(/^[1-9]\d*(B|KiB|MiB|GiB|TiB)(\/s)?$/, "is not a rate; write a whole number and a unit of B, KiB, MiB, GiB or TiB per second, for example 50MiB/s")
  .transform((text) => sizeSchema.parse(text.replace(/\/s$/, "")));

/** `1.4 GiB`: three digits are enough for a person. */
export function formatBytes(sizeBytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = sizeBytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit] ?? "B"}`;
}

/** `2 h 05 min`, `3 min 20 s`, `4.2 s`, `310 ms`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1_000) return `${durationMs.toFixed(0)} ms`;
  if (durationMs < 60_000) return `${(durationMs / 1_000).toFixed(1)} s`;
  const totalS = Math.round(durationMs / 1_000);
  const pad = (value: number): string => String(value).padStart(2, "0");
  if (totalS < 3_600) return `${String(Math.floor(totalS / 60))} min ${pad(totalS % 60)} s`;
  const totalMin = Math.round(totalS / 60);
  if (totalMin < 2_880) return `${String(Math.floor(totalMin / 60))} h ${pad(totalMin % 60)} min`;
  return `${(totalMin / 1_440).toFixed(1)} days`;
}
