import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Clock } from "../../lib/clock.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { forwardClock } from "../../lib/forward-clock.ts";
import { jsonOrUndefined } from "../../lib/json-or-undefined.ts";
import type { Log } from "../../lib/log.ts";
import { replaceFile } from "../../lib/replace-file.ts";
import { Quota, type QuotaLimits } from "./quota.ts";

/** After a crash the time may begin this much earlier than it was. */
const KEEP_EVERY_MS = 5_000;
/** A clock that is off by less is no news. */
const WORTH_SAYING_MS = 60_000;

const keptSchema = z.strictObject({
  formatVersion: z.literal(1),
  /** No time up to this one comes again. */
  highWaterMs: z.number().int().nonnegative(),
  quota: z.strictObject({ day: z.string(), writtenBytes: z.record(z.string(), z.number().int().nonnegative()) }),
});
type Kept = z.infer<typeof keptSchema>;

export interface MemoryOptions {
  readonly stateDir: string;
  readonly quota: QuotaLimits | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a gateway must still know after a restart: how late it was, and how much was written that day. */
export interface GatewayMemory {
  readonly time: Clock;
  readonly quota: Quota;
  close(): Promise<void>;
}

/** Opens the memory in a state directory that is there, or begins it. FORMAT_INVALID when it cannot be read: then nothing is guessed. */
export async function openMemory({ stateDir, quota: limits, clock, log }: MemoryOptions): Promise<GatewayMemory> {
  const path = join(stateDir, "gateway.json");
  const kept = await read(path);
  const time = forwardClock(clock, kept.highWaterMs);
  const quota = new Quota(limits, kept.quota, log);
  const keep = (): Promise<void> => replaceFile(path, `${JSON.stringify({ formatVersion: 1, highWaterMs: Math.ceil(time.nowMs()), quota: quota.toKeep() } satisfies Kept)}\n`);
  const warn = clockWarning({ time, clock }, path, log);
  warn();
  await keep();
  let keeping = Promise.resolve();
  let isFailing = false;
  const keepAgain = async (): Promise<void> => {
    try {
      await keep();
      isFailing = false;
    } catch (error) {
      if (!isFailing) log.error({ err: error, path }, "the gateway's memory cannot be written; it is tried again and again");
      isFailing = true;
    }
  };
  const tick = (): void => {
    warn();
    // One after another: they write the same file.
    keeping = keeping.then(keepAgain);
  };
  const timer = setInterval(tick, KEEP_EVERY_MS);
  return {
    time,
    quota,
    close: async () => {
      clearInterval(timer);
      await keeping;
      await keep();
    },
  };
}

/** Says it once when the time is ahead of the clock, and again when it was right in between. */
function clockWarning({ time, clock }: { time: Clock; clock: Clock }, path: string, log: Log): () => void {
  let isSaid = false;
  return () => {
    // Also brings the time up to the monotonic clock's, so that a clock set back is noticed without any request.
    const aheadMs = Math.round(time.nowMs() - clock.nowMs());
    const isAhead = aheadMs > WORTH_SAYING_MS;
    if (isAhead && !isSaid) log.error({ aheadMs, path }, "ALARM: the clock was set back; grants expire by the later time. If the clock had been wrong before, stop the gateway, remove the file and start it again");
    isSaid = isAhead;
  };
}

async function read(path: string): Promise<Kept> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { formatVersion: 1, highWaterMs: 0, quota: { day: "", writtenBytes: {} } };
    throw error;
  }
  const parsed = keptSchema.safeParse(jsonOrUndefined(text));
  if (parsed.success) return parsed.data;
  throw new HoldfastError("FORMAT_INVALID", `${path} is not what a gateway keeps there: without it expired grants could come to life.`, {
    cause: parsed.error,
    hint: "If no grant can be older than an hour and the clock is right, remove the file and start the gateway again.",
  });
}
