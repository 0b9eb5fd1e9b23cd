import { z } from "zod";
import { ID_PATTERN } from "../lib/ids.ts";

/** Field types that many documents share. */
export const idSchema = z.string().regex(ID_PATTERN, "is not an id (ids are 26 letters and digits)");
export const nameSchema = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "is not a name; use lower-case letters, digits, '.', '_' and '-', at most 63 of them");
export const isoTimeSchema = z.iso.datetime();
/** LSNs and other counters that pass 2^53: bigint inside, decimal strings outside. */
export const decimalSchema = z.string().regex(/^\d+$/, "is not a decimal number");
export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, "is not a SHA-256 in hex");
export const sizeBytesSchema = z.number().int().nonnegative();
export const timeZoneSchema = z.string().refine((zone) => isTimeZone(zone), "is not an IANA time zone, for example Europe/Berlin or UTC");

function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

export const errorRecordSchema = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string(),
  details: z.record(z.string(), z.unknown()),
});
