import { HoldfastError } from "../../../lib/errors.ts";
import { logFileNumber, type LogPosition } from "../../../model/position.ts";
import { changed } from "./file-reader.ts";
import { FileLedger } from "./ledger.ts";
import type { ServerLog, ServerLogFile } from "./log-server.ts";

/**
 * The file to read, from its head, and what is committed of it: the newest stored file; else the file of `startAt`;
 * else the server's current one. Throws LOG_PURGED when it is gone, LINEAGE_CHANGED when the server's log cannot be
 * the one that is stored.
 */
export function ledgerToBegin(server: ServerLog, stored: FileLedger | null, startAt: LogPosition | null): FileLedger {
  const newest = server.files.at(-1);
  if (newest === undefined) throw new HoldfastError("DATABASE_UNSUITABLE", "The server lists no binary log file.", { hint: "Set log_bin in the server's configuration and restart it." });
  if (stored !== null) return ledgerAfter(server.files, newest, stored);
  if (startAt === null) return FileLedger.empty(newest.name, "");
  requireFile(server.files, newest, startAt.file);
  return FileLedger.empty(startAt.file, "");
}

function ledgerAfter(files: readonly ServerLogFile[], newest: ServerLogFile, stored: FileLedger): FileLedger {
  const same = files.find((file) => file.name === stored.file);
  if (same !== undefined) {
    if (same.sizeBytes < stored.shippedEnd) {
      throw changed(stored.file, `it has ${String(same.sizeBytes)} bytes, but ${String(stored.shippedEnd)} are stored`);
    }
    return stored;
  }
  // A file that is stored to its end is not needed any more: the next one goes on behind it.
  const next = files.find((file) => baseName(file.name) === baseName(stored.file) && logFileNumber(file.name) === logFileNumber(stored.file) + 1);
  if (stored.closed && next !== undefined) return FileLedger.empty(next.name, stored.gtidAfter);
  requireFile(files, newest, stored.file);
  return stored;
}

function requireFile(files: readonly ServerLogFile[], newest: ServerLogFile, wanted: string): void {
  if (files.some((file) => file.name === wanted)) return;
  if (baseName(newest.name) !== baseName(wanted)) throw changed(wanted, `the server's log is now called ${baseName(newest.name)}`);
  if (logFileNumber(newest.name) < logFileNumber(wanted)) throw changed(wanted, `the server's newest file is ${newest.name}`);
  const oldest = files.at(0)?.name ?? newest.name;
  throw new HoldfastError("LOG_PURGED", `The server has purged ${wanted} before it was shipped; its oldest binary log file is ${oldest}.`, {
    hint: "Take a new full backup: it begins where the log still is. Raise binlog_expire_logs_seconds on the server so that the log outlives an interruption.",
    details: { file: wanted, oldest },
  });
}

function baseName(file: string): string {
  return file.replace(/\.\d+$/, "");
}

/** True when the server's list has bytes behind this place. */
export function serverHasMore(server: ServerLog, place: { file: string; sizeBytes: number }): boolean {
  const number = logFileNumber(place.file);
  return server.files.some((file) => logFileNumber(file.name) > number || (file.name === place.file && file.sizeBytes > place.sizeBytes));
}
