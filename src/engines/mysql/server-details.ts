import { resolve } from "node:path";
import type { ServerDetails } from "../../model/backup-index.ts";
import { isSecretOption, readConfigFiles, serverCommandLine } from "./config-files.ts";
import type { Session } from "./connect.ts";
import { grantStatements } from "./grants.ts";
import { objectDigests } from "./objects.ts";
import { missing, needsOf, readPrivileges } from "./privileges.ts";
import type { ServerFacts } from "./server-facts.ts";

type Described = Omit<ServerDetails, "counts" | "heartbeat">;

/** Variables that a new server must have alike even where they were never set. */
const ALWAYS_KEPT: ReadonlySet<string> = new Set([
  "version", "version_comment", "version_compile_os", "version_compile_machine", "datadir", "basedir", "hostname", "port", "server_id", "server_uid", "lower_case_table_names", "sql_mode", "time_zone",
  "system_time_zone", "character_set_server", "collation_server", "default_storage_engine", "event_scheduler", "gtid_domain_id", "gtid_strict_mode", "log_bin", "log_bin_basename", "binlog_format",
  "binlog_row_image", "innodb_page_size", "innodb_data_file_path", "innodb_data_home_dir", "innodb_undo_directory", "innodb_undo_tablespaces", "innodb_log_file_size", "innodb_buffer_pool_size",
  "innodb_file_per_table", "innodb_checksum_algorithm", "innodb_encrypt_tables", "max_connections", "max_allowed_packet", "plugin_dir", "explicit_defaults_for_timestamp",
]);

/**
 * Everything of a server but its data that somebody needs to bring it back. What cannot be read is named in
 * `omissions` and stops nothing; only the signal does.
 */
export async function describeServer(session: Session, facts: ServerFacts, signal: AbortSignal): Promise<Described> {
  const omissions: string[] = [];
  const omit = (sentence: string): void => {
    omissions.push(sentence);
  };
  const orElse = async <T>(what: string, fallback: T, read: () => Promise<T>): Promise<T> => {
    try {
      return await read();
    } catch (error) {
      signal.throwIfAborted();
      omit(`${what} could not be read: ${error instanceof Error ? error.message : String(error)}`);
      return fallback;
    }
  };
  await orElse("The account's rights", undefined, () => nameBlindness(session, facts, omit));
  // Definitions first: they belong to the place in the log that was recorded a moment ago.
  const objects = await orElse("Definitions of objects", [], () => objectDigests(session, omit));
  const grants = await orElse("Accounts and grants", [], () => grantStatements(session, () => undefined));
  return {
    objects,
    grants,
    variables: await orElse("Variables", {}, () => readVariables(session, facts)),
    plugins: await orElse("Plugins", [], () => readPlugins(session)),
    configFiles: await orElse("Option files", [], () => readServerConfig(facts, omit)),
    omissions,
  };
}

/** What an account may not see, the server leaves out without a word: then the lists are short and nothing says so. */
async function nameBlindness(session: Session, facts: ServerFacts, omit: (sentence: string) => void): Promise<void> {
  const privileges = await readPrivileges(session);
  const need = needsOf(facts.version, { heartbeat: false }).find((row) => row.code === "read-privileges");
  const lacking = need === undefined ? [] : missing(privileges, need);
  if (lacking.length > 0) omit(`The account lacks ${lacking.join(", ")}: counts and definitions of what it may not see were not recorded.`);
}

async function readVariables(session: Session, facts: ServerFacts): Promise<Record<string, string>> {
  const rows = await session.rows("SELECT LOWER(VARIABLE_NAME) AS name FROM information_schema.SYSTEM_VARIABLES WHERE GLOBAL_VALUE_ORIGIN IN ('CONFIG', 'SQL')");
  const set = new Set(rows.map((row) => row["name"] ?? ""));
  const kept = [...facts.variables].filter(([name]) => set.has(name) || ALWAYS_KEPT.has(name)).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(kept.map(([name, value]) => [name, isSecretOption(name) && value !== "" ? "(hidden)" : value]));
}

async function readPlugins(session: Session): Promise<ServerDetails["plugins"]> {
  const rows = await session.rows("SELECT PLUGIN_NAME AS n, PLUGIN_VERSION AS v, PLUGIN_STATUS AS s, PLUGIN_TYPE AS t FROM information_schema.PLUGINS ORDER BY PLUGIN_NAME");
  return rows.map((row) => ({ name: row["n"] ?? "", version: row["v"] ?? "", status: row["s"] ?? "", type: row["t"] ?? "" }));
}

async function readServerConfig(facts: ServerFacts, omit: (sentence: string) => void): Promise<ServerDetails["configFiles"]> {
  const pidFile = facts.variables.get("pid_file") ?? "";
  const commandLine = await serverCommandLine(resolve(facts.dataDirectory, pidFile));
  if (commandLine.length === 0) omit("The server's command line could not be read, so option files were looked for in the standard places.");
  return [...(await readConfigFiles(commandLine, omit))];
}
