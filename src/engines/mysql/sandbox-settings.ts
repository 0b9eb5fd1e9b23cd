import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Variables of the source that decide how its data are read and how its log is replayed, and that the log does not
 * carry itself. Everything else is the sandbox's own business.
 */
const CARRIED: ReadonlySet<string> = new Set([
  "aria_block_size",
  "character_set_server",
  "collation_server",
  "default_storage_engine",
  "default_tmp_storage_engine",
  "default_week_format",
  "div_precision_increment",
  "explicit_defaults_for_timestamp",
  "ft_max_word_len",
  "ft_min_word_len",
  "group_concat_max_len",
  "innodb_compression_algorithm",
  "innodb_compression_default",
  "innodb_default_row_format",
  "innodb_file_per_table",
  "innodb_ft_max_token_size",
  "innodb_ft_min_token_size",
  "innodb_strict_mode",
  "lower_case_table_names",
  "old_mode",
  "sql_mode",
  "system_versioning_alter_history",
]);

/** The part of a source's variables that a sandbox on its data needs. */
export function carriedSettings(variables: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => CARRIED.has(name)));
}

/** Keeps the settings for the sandbox of `dataDir` in the attempt's scratch directory: never in the data, which somebody may keep. */
export async function keepSettings(scratchDir: string, dataDir: string, variables: Readonly<Record<string, string>>): Promise<void> {
  await writeFile(await settingsPath(scratchDir, dataDir), JSON.stringify(carriedSettings(variables)), { mode: 0o600 });
}

/** What `keepSettings` kept; empty when this attempt prepared nothing there. */
export async function keptSettings(scratchDir: string, dataDir: string): Promise<Record<string, string>> {
  try {
    return JSON.parse(await readFile(await settingsPath(scratchDir, dataDir), "utf8")) as Record<string, string>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}

/** By inode: a restored directory gets its final name after it was prepared. */
async function settingsPath(scratchDir: string, dataDir: string): Promise<string> {
  const { dev, ino } = await stat(dataDir, { bigint: true });
  return join(scratchDir, `settings-${String(dev)}-${String(ino)}.json`);
}
