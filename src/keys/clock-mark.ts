import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { type Clock, isoTime } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import { syncFolder } from "../lib/folders.ts";
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
  const temporary = `${path}.new`;
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(`${JSON.stringify(mark)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

/** Wall time that never goes back: not while this lives, and not behind `floorMs`, which is what was reached before. */
export function forwardClock(clock: Clock, floorMs: number): Clock {
  const startMs = Math.max(floorMs, clock.nowMs());
  const startMonotonicMs = clock.monotonicMs();
  let latestMs = startMs;
  return {
    monotonicMs: () => clock.monotonicMs(),
    nowMs: () => {
      latestMs = Math.max(latestMs, clock.nowMs(), startMs + clock.monotonicMs() - startMonotonicMs);
      return latestMs;
    },
  };
}

/** As a mark has it: the end of a span that begins now. */
export function markUntil(clock: Clock, aheadMs: number): string {
  return isoTime(clock.nowMs() + aheadMs);
}
