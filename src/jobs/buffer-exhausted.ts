import { HoldfastError } from "../lib/errors.ts";
import { formatBytes, formatDuration } from "../lib/units.ts";

/** What had happened when there was no room left between the tool and the repository. */
export interface Exhaustion {
  readonly repository: string;
  readonly elapsedMs: number;
  /** Plain bytes that the tool gave, and ciphertext that the repository took. */
  readonly readBytes: number;
  readonly storedBytes: number;
  readonly bufferBytes: number;
  readonly spoolBytes: number;
  readonly spoolDir: string;
  /** Not the spool's own limit was met, but the end of its disk. */
  readonly isDiskFull: boolean;
  readonly redo: { readonly capacityBytes: number; readonly setting: string } | null;
}

/** The backup is ended on purpose: a tool that is held back loses the race with the server's redo log, and says so only at its very end. */
export function bufferExhausted(what: Exhaustion): HoldfastError {
  const { elapsedMs, readBytes, storedBytes, redo } = what;
  const perS = (sizeBytes: number): number => sizeBytes / Math.max(elapsedMs / 1_000, 0.001);
  const flow = `in ${formatDuration(elapsedMs)} the server gave ${formatBytes(readBytes)} (${formatBytes(perS(readBytes))}/s) and ${formatBytes(storedBytes)} of ciphertext were stored (${formatBytes(perS(storedBytes))}/s)`;
  const memory = `the memory budget of ${formatBytes(what.bufferBytes)} (agent.bufferBytes)`;
  const limit = what.isDiskFull ? `the disk of the spool in ${what.spoolDir}` : `the spool of ${formatBytes(what.spoolBytes)} (agent.spoolBytes)`;
  const loss = redo === null ? "the server writes its redo log over before it is copied" : `the server writes its redo log of ${formatBytes(redo.capacityBytes)} (${redo.setting}) over before it is copied`;
  return new HoldfastError("BUFFER_EXHAUSTED", `Repository ${what.repository} was too slow for this hot backup: ${flow}, until ${memory} and ${limit} were full; a tool that is held back fails when ${loss}, so it was ended.`, {
    hint: `${what.isDiskFull ? "Free space on that disk, or give agent.spoolDir a larger one" : "Raise agent.spoolBytes"}, speed up the repository (agent.uploadBytesPerS, if it is set), or back up in a quieter hour; with a larger ${redo?.setting ?? "redo log"} the tool can be left to wait: agent.spoolBytes: 0B.`,
    details: {
      readBytesPerS: Math.round(perS(readBytes)),
      storedBytesPerS: Math.round(perS(storedBytes)),
      bufferBytes: what.bufferBytes,
      spoolBytes: what.spoolBytes,
      redoBytes: redo?.capacityBytes ?? null,
    },
  });
}
