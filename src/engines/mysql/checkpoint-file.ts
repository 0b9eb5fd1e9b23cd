import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";

/** What the backup tool wrote of a backup's log sequence numbers. */
export interface Checkpoints {
  /** `full-backuped`, `incremental`, or `log-applied` once a full has been prepared. */
  readonly backupType: string;
  readonly fromLsn: bigint;
  readonly toLsn: bigint;
  readonly lastLsn: bigint;
}

/** `mariadb_backup_checkpoints` from MariaDB 11.1 on, the other name before. */
export const CHECKPOINT_NAMES = ["mariadb_backup_checkpoints", "xtrabackup_checkpoints"] as const;

/** Reads the checkpoint file of an extracted backup under either of its names; FORMAT_INVALID when there is none or it is not one. */
export async function readCheckpoints(dir: string): Promise<Checkpoints> {
  for (const name of CHECKPOINT_NAMES) {
    try {
      return parseCheckpoints(await readFile(join(dir, name), "utf8"), join(dir, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new HoldfastError("FORMAT_INVALID", `${dir} holds no ${CHECKPOINT_NAMES.join(" or ")}: it is not a whole backup.`);
}

/** Lines of `name = value`; `source` stands in the error. */
export function parseCheckpoints(text: string, source: string): Checkpoints {
  const values = new Map([...text.matchAll(/^(\w+)\s*=\s*(.*?)\s*$/gm)].map((match) => [match[1] ?? "", match[2] ?? ""]));
  const lsn = (name: string): bigint => {
    const value = values.get(name) ?? "";
    if (/^\d+$/.test(value)) return BigInt(value);
    throw new HoldfastError("FORMAT_INVALID", `${source} has no ${name}: it says "${value}".`);
  };
  return { backupType: values.get("backup_type") ?? "", fromLsn: lsn("from_lsn"), toLsn: lsn("to_lsn"), lastLsn: lsn("last_lsn") };
}
