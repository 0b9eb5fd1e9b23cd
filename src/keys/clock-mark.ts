import { readFile } from "node:fs/promises";
import { z } from "zod";
import { type Clock, isoTime } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import { replaceFile } from "../lib/replace-file.ts";
import { isoTimeSchema, sha256Schema } from "../model/scalars.ts";

const markSchema = z.strictObject({
  /** No later than this was it when the mark was written anew: a clock that says less was set back. */
  until: isoTimeSchema,
  /** The end of the release log then. */
  number: z.number().int().nonnegative(),
  sha256: sha256Schema,
});
export type Mark = z.infer<typeof markSchema>;

/** Null when there is none yet. RECORD_BROKEN when it is no mark. */
export async function readMark(path: string): Promise<Mark | null> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  });
  if (text === null) return null;
  try {
    return markSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new HoldfastError("RECORD_BROKEN", `${path} does not hold the keyholder's mark.`, { cause });
  }
}

/** Replaces the mark; it survives a power cut once this resolves. */
export async function writeMark(path: string, mark: Mark): Promise<void> {
  await replaceFile(path, `${JSON.stringify(mark)}\n`);
}

/** As a mark has it: the end of a span that begins now. */
export function markUntil(clock: Clock, aheadMs: number): string {
  return isoTime(clock.nowMs() + aheadMs);
}
