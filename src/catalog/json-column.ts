import type { z } from "zod";
import { HoldfastError } from "../lib/errors.ts";

/** Parses a JSON column with the model's schema. INTERNAL, naming the column, when the catalog holds something else. */
export function readJson<T>(schema: z.ZodType<T>, text: string, column: string): T {
  const parsed = schema.safeParse(parseText(text, column));
  if (parsed.success) return parsed.data;
  throw new HoldfastError("INTERNAL", `The catalog's ${column} does not hold what this version expects.`, {
    cause: parsed.error,
    hint: "If the catalog is damaged, delete it and run `holdfast catalog rebuild`.",
  });
}

export function readJsonOrNull<T>(schema: z.ZodType<T>, text: string | null, column: string): T | null {
  return text === null ? null : readJson(schema, text, column);
}

/** A JSON column that Holdfast wrote from a parsed value and that no schema can read back (its schema transforms). */
export function readTrusted(text: string, column: string): unknown {
  return parseText(text, column);
}

function parseText(text: string, column: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HoldfastError("INTERNAL", `The catalog's ${column} is not JSON.`, { cause: error });
  }
}
