import { statfs } from "node:fs/promises";
import { HoldfastError } from "../lib/errors.ts";
import { formatBytes } from "../lib/units.ts";
import type { BackupRef } from "../model/backup.ts";

/** Space that a prepared server needs beyond its files: redo, temporary tables. */
const SPARE_BYTES = 256 * 1024 ** 2;
/** With less than this left, tools and servers fail for want of space, whatever they say. */
const FULL_BELOW_BYTES = 32 * 1024 ** 2;

async function freeBytesAt(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

/** STORAGE_FULL before the first byte when a chain's files cannot fit into `dir`; `what` is to be done there. */
export async function requireSpace(chain: readonly Pick<BackupRef, "streamBytes">[], dir: string, what: string): Promise<void> {
  const neededBytes = chain.reduce((sum, backup) => sum + backup.streamBytes, SPARE_BYTES);
  const freeBytes = await freeBytesAt(dir);
  if (freeBytes >= neededBytes) return;
  throw new HoldfastError("STORAGE_FULL", `${dir} has ${formatBytes(freeBytes)} free, and the ${what} needs about ${formatBytes(neededBytes)}; nothing was changed.`, {
    hint: "Name a place with more space, or free some there.",
  });
}

/** STORAGE_FULL instead of `error` when the disk under `dir` is full by now: what fails there says nothing about the data. */
export async function throwIfFull(dir: string, error: unknown): Promise<void> {
  const freeBytes = await freeBytesAt(dir);
  if (freeBytes >= FULL_BELOW_BYTES) return;
  const why = error instanceof Error ? error.message : String(error);
  throw new HoldfastError("STORAGE_FULL", `${dir} has only ${formatBytes(freeBytes)} left: ${why}`, { cause: error, hint: "Free or add space there; the work is done again." });
}
