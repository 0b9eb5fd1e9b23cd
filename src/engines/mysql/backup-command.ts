import { join } from "node:path";

/** What one run of mariadb-backup needs. */
export interface BackupCommand {
  /** Option file with the credentials. */
  readonly defaultsFile: string;
  readonly dataDirectory: string;
  /** Directory of this attempt alone. */
  readonly scratchDir: string;
  /** End LSN of the parent; null for a full. */
  readonly incrementalLsn: string | null;
}

/** Where the tool leaves plain copies of its checkpoints and info. */
export const lsnDirectory = (scratchDir: string): string => join(scratchDir, "lsn");
/** Stays empty while streaming, but the tool insists on one that it can write to. */
export const targetDirectory = (scratchDir: string): string => join(scratchDir, "target");

/** Arguments of `mariadb-backup`; the option file must come first or it is ignored. */
export function backupArguments(command: BackupCommand): string[] {
  return [
    `--defaults-file=${command.defaultsFile}`,
    "--backup",
    "--stream=mbstream",
    `--target-dir=${targetDirectory(command.scratchDir)}`,
    `--extra-lsndir=${lsnDirectory(command.scratchDir)}`,
    `--datadir=${command.dataDirectory}`,
    // A server with many tables needs more open files than the default; a lower hard limit still holds.
    "--open-files-limit=1000000",
    ...(command.incrementalLsn === null ? [] : [`--incremental-lsn=${command.incrementalLsn}`]),
  ];
}
