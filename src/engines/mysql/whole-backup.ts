import { HoldfastError } from "../../lib/errors.ts";
import type { IndexedFile } from "../../model/backup-index.ts";

/** One file of which every backup has exactly one, under one of its names. */
const REQUIRED: readonly { what: string; found: (file: IndexedFile) => boolean }[] = [
  { what: "the system tablespace", found: (file) => file.spaceId === 0 && !file.path.includes("/") },
  { what: "the redo log ib_logfile0", found: (file) => file.path === "ib_logfile0" && file.sizeBytes > 0 },
  { what: "xtrabackup_checkpoints or mariadb_backup_checkpoints", found: (file) => isNamed(file, "checkpoints") },
  { what: "xtrabackup_info or mariadb_backup_info", found: (file) => isNamed(file, "info") },
];

/** `xtrabackup_…` before MariaDB 11.1, `mariadb_backup_…` from then on. */
function isNamed(file: IndexedFile, name: string): boolean {
  return (file.path === `xtrabackup_${name}` || file.path === `mariadb_backup_${name}`) && file.sizeBytes > 0;
}

/** Throws STREAM_DAMAGED, naming what lacks, unless a stream that ended well also holds what every backup must. */
export function requireWholeBackup(files: readonly IndexedFile[]): void {
  for (const { what, found } of REQUIRED) {
    if (!files.some(found)) throw new HoldfastError("STREAM_DAMAGED", `The backup stream ended without ${what}, so it is not a whole backup.`);
  }
}
