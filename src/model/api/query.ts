import { z } from "zod";

/** A whole number in a query string, where everything is text. */
export function queryInteger({ min, max }: { min: number; max: number }): z.ZodType<number> {
  return z.preprocess((text) => (typeof text === "string" && /^\d{1,15}$/.test(text) ? Number(text) : text), z.number().int().min(min).max(max));
}

/** A yes or no in a query string. */
export const queryFlagSchema = z.enum(["true", "false"]).transform((text) => text === "true");
