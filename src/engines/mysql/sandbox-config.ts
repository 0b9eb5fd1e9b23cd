import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import { readCheckpoints } from "./checkpoint-file.ts";
import type { OptionGroup } from "./option-file.ts";

const MIB = 1024 * 1024;
/** A larger redo log than this only costs the sandbox disk. */
const REDO_LIMIT_BYTES = 512 * MIB;

export interface SandboxPlaces {
  readonly tmpDir: string;
  readonly pluginDir: string;
  /** Empty directory: the only one that SQL may read and write files in. */
  readonly filesDir: string;
  /** Directory of relay logs and their books, outside the data. */
  readonly relayDir: string;
}

/**
 * What is needed to open the data files, from the `backup-my.cnf` that the backup tool wrote into the directory.
 * Throws SANDBOX_FAILED for a directory that was never prepared: a server would recover it wrongly.
 */
export async function readBackupConfig(dataDir: string): Promise<Record<string, string>> {
  const { backupType } = await readCheckpoints(dataDir);
  if (backupType !== "log-applied") throw new HoldfastError("SANDBOX_FAILED", `${dataDir} has not been prepared: it calls itself "${backupType}".`, { hint: "Prepare the chain first." });
  return backupConfig(await readFile(join(dataDir, "backup-my.cnf"), "utf8"));
}

/**
 * The `innodb_*` lines of a `backup-my.cnf`. Places are taken out of it: the tool puts all files into one directory,
 * while the lines still name the source's own.
 */
export function backupConfig(text: string): Record<string, string> {
  const options: Record<string, string> = {};
  for (const [, name = "", value = ""] of text.matchAll(/^\s*(innodb_\w+)\s*=\s*(.*?)\s*$/gm)) options[name] = value;
  const { innodb_data_file_path: files, innodb_log_file_size: redo } = options;
  if (files !== undefined) options["innodb_data_file_path"] = files.split(";").map((file) => file.trim().replace(/^.*\//, "")).join(";");
  if (redo !== undefined && /^\d+$/.test(redo)) options["innodb_log_file_size"] = String(Math.min(Number(redo), REDO_LIMIT_BYTES));
  return { ...options, innodb_data_home_dir: "", innodb_undo_directory: "./", innodb_log_group_home_dir: "./" };
}

/**
 * Settings of every server on restored data: no network (see startServer), no replication from anywhere, no events, no
 * files outside, and no path of the source. `skip_symbolic_links` also makes InnoDB ignore DATA DIRECTORY in replayed DDL.
 */
function closedOff(places: Pick<SandboxPlaces, "tmpDir" | "filesDir">): OptionGroup {
  return {
    tmpdir: places.tmpDir,
    secure_file_priv: places.filesDir,
    skip_slave_start: true,
    skip_symbolic_links: true,
    event_scheduler: "OFF",
    local_infile: "0",
    performance_schema: "OFF",
    max_allowed_packet: "1G",
    loose_feedback: "OFF",
  };
}

/** Settings of a sandbox. It is thrown away or shut down cleanly, so nothing is flushed before it must be. */
export function sandboxConfig(places: SandboxPlaces, carried: OptionGroup, serverId: number, freeBytes: number): OptionGroup {
  return {
    ...carried,
    ...closedOff(places),
    plugin_dir: places.pluginDir,
    server_id: String(serverId),
    skip_log_bin: true,
    // Replay reads the server's own log as a relay log; its events may bear any server id, even ours.
    replicate_same_server_id: true,
    relay_log: join(places.relayDir, "relay"),
    relay_log_index: join(places.relayDir, "relay.index"),
    relay_log_purge: "0",
    master_info_file: join(places.relayDir, "master.info"),
    relay_log_info_file: join(places.relayDir, "relay.info"),
    slave_load_tmpdir: places.tmpDir,
    slave_max_allowed_packet: "1G",
    sync_relay_log: "0",
    sync_relay_log_info: "0",
    sync_master_info: "0",
    innodb_buffer_pool_size: String(bufferPoolBytes(freeBytes)),
    innodb_flush_log_at_trx_commit: "0",
    innodb_doublewrite: "OFF",
    innodb_buffer_pool_dump_at_shutdown: "OFF",
    innodb_buffer_pool_load_at_startup: "OFF",
  };
}

/** Settings of a server that is left running on restored data: durable, and nothing else than needed to look around. */
export function serveConfig(places: Pick<SandboxPlaces, "tmpDir" | "filesDir">, carried: OptionGroup, serverId: number): OptionGroup {
  return { ...carried, ...closedOff(places), server_id: String(serverId), skip_log_bin: true };
}

/** A quarter of the free memory between 128 MiB and 4 GiB. */
export function bufferPoolBytes(freeBytes: number): number {
  return Math.min(4096, Math.max(128, Math.floor(freeBytes / 4 / MIB))) * MIB;
}
