import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import type { LogPosition } from "../../model/position.ts";

/** What the tool wrote of a run. */
export interface BackupInfo {
  readonly toolVersion: string;
  readonly serverVersion: string;
  /** Where the log goes on after the backup; null when the server keeps none. */
  readonly logPosition: LogPosition | null;
}

/** `mariadb_backup_info` from MariaDB 11.1 on, the other name before. */
const INFO_NAMES = ["mariadb_backup_info", "xtrabackup_info"] as const;

/** Reads the info file that `--extra-lsndir` got, under either of its names; FORMAT_INVALID when there is none. */
export async function readBackupInfo(dir: string): Promise<BackupInfo> {
  for (const name of INFO_NAMES) {
    try {
      return parseBackupInfo(await readFile(join(dir, name), "utf8"), join(dir, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new HoldfastError("FORMAT_INVALID", `${dir} holds no ${INFO_NAMES.join(" or ")}: the tool did not finish.`);
}

/** Lines of `name = value`; `source` stands in the error. */
export function parseBackupInfo(text: string, source: string): BackupInfo {
  const value = (name: string): string => new RegExp(`^${name} = (.*)$`, "m").exec(text)?.[1]?.trim() ?? "";
  return { toolVersion: value("tool_version"), serverVersion: value("server_version"), logPosition: parseLogPosition(value("binlog_pos"), source) };
}

/** `filename 'mariadb-bin.000001', position '1117', GTID of the last change '0-7-5'`; the last part lacks without GTIDs. */
function parseLogPosition(text: string, source: string): LogPosition | null {
  if (text === "") return null;
  const match = /^filename '([^']+)', position '(\d+)'(?:, GTID of the last change '([^']*)')?/.exec(text);
  if (match?.[1] === undefined) throw new HoldfastError("FORMAT_INVALID", `${source} has a binlog_pos that cannot be read: ${text}.`);
  return { file: match[1], position: Number(match[2]), gtid: (match[3] ?? "").replace(/\s+/g, "") };
}
