import { z } from "zod";

/**
 * A place in a server's binary log. `position` is the byte offset in `file` at which the next event begins.
 * File and position join only inside one timeline, GTIDs join across.
 */
export const logPositionSchema = z.object({
  file: z.string().min(1),
  position: z.number().int().nonnegative(),
  /** GTID state at this place, as the server writes it (`0-1-42,1-3-7`); empty when the server has none. */
  gtid: z.string(),
});
export type LogPosition = z.infer<typeof logPositionSchema>;

/** `mariadb-bin.000017` is number 17 of `mariadb-bin`. Files of one timeline have one base name and rising numbers. */
export function logFileNumber(file: string): number {
  const digits = /\.(\d+)$/.exec(file)?.[1];
  if (digits === undefined) throw new RangeError(`${file} is not the name of a binary log file`);
  return Number.parseInt(digits, 10);
}

/** Order of two places in one timeline: negative, zero or positive. */
export function comparePositions(a: Pick<LogPosition, "file" | "position">, b: Pick<LogPosition, "file" | "position">): number {
  return logFileNumber(a.file) - logFileNumber(b.file) || a.position - b.position;
}

export function formatPosition(place: Pick<LogPosition, "file" | "position">): string {
  return `${place.file}:${String(place.position)}`;
}
