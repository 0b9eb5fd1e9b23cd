import type { ProbeNote, ProbeReport } from "../../model/instance.ts";
import type { LogFilters } from "./log-filters.ts";
import type { ServerFacts } from "./server-facts.ts";

/** Variables that decide what the binary log is worth; shown as they are. */
const SHOWN = [
  "log_bin", "log_bin_basename", "binlog_format", "binlog_row_image", "sync_binlog", "innodb_flush_log_at_trx_commit", "binlog_checksum", "log_slave_updates", "server_id", "gtid_domain_id",
  "gtid_binlog_pos", "gtid_strict_mode", "expire_logs_days", "binlog_expire_logs_seconds", "max_binlog_size", "encrypt_binlog",
] as const;

const DAY_S = 86_400;

type Logging = ProbeReport["logging"];

/** Settings of the binary log as the report shows them. */
export function loggingOf(facts: Pick<ServerFacts, "variables">): Logging {
  const shown = SHOWN.filter((name) => facts.variables.has(name)).map((name) => [name, facts.variables.get(name) ?? ""]);
  return { enabled: isOn(facts.variables.get("log_bin")), format: facts.variables.get("binlog_format") ?? "", facts: Object.fromEntries(shown) as Record<string, string> };
}

export function isOn(value: string | undefined): boolean {
  return /^(?:on|1|yes|true)$/i.test(value ?? "");
}

/** What weakens recovery to a position; a pure decision from variables. */
export function logNotes(facts: Pick<ServerFacts, "variables">, options: { replica: boolean }): ProbeNote[] {
  const value = (name: string): string => facts.variables.get(name) ?? "";
  const notes: ProbeNote[] = [];
  const warn = (code: string, message: string, remedy: string): number => notes.push({ level: "warning", code, message, remedy });
  if (value("innodb_flush_log_at_trx_commit") !== "1") {
    warn("innodb-flush", `innodb_flush_log_at_trx_commit is ${value("innodb_flush_log_at_trx_commit")}: a crash of the server can lose commits that clients were told of.`, "SET GLOBAL innodb_flush_log_at_trx_commit=1, and in the option file.");
  }
  if (!isOn(value("log_bin"))) {
    warn("log-bin-off", "The binary log is off: only the moments of backups can be restored, nothing between them.", "Set log_bin in the option file and restart the server.");
    return notes;
  }
  if (value("sync_binlog") !== "1") warn("sync-binlog", `sync_binlog is ${value("sync_binlog")}: after a crash of the machine the log may lack commits that the data has.`, "SET GLOBAL sync_binlog=1, and in the option file.");
  if (value("binlog_format").toUpperCase() !== "ROW") {
    warn("binlog-format", `binlog_format is ${value("binlog_format")}: a statement may give another result when it is replayed.`, "SET GLOBAL binlog_format='ROW', and in the option file; sessions that are open keep theirs.");
  }
  if (value("binlog_checksum").toUpperCase() === "NONE") warn("binlog-checksum", "binlog_checksum is NONE: damage in the log is not noticed when it is shipped.", "SET GLOBAL binlog_checksum='CRC32', and in the option file.");
  if (options.replica && !isOn(value("log_slave_updates"))) {
    warn("log-slave-updates", "The server is a replica and log_slave_updates is OFF: its own log lacks what it got from its source.", "Set log_slave_updates=ON in the option file and restart, or ship the source's log.");
  }
  return [...notes, ...expiryNotes(value)];
}

/** 0 keeps logs for ever; MariaDB 10.6 and later count in seconds, before that in (parts of) days. */
function expiryNotes(value: (name: string) => string): ProbeNote[] {
  const seconds = Number(value("binlog_expire_logs_seconds")) || Number(value("expire_logs_days")) * DAY_S || 0;
  if (seconds <= 0 || seconds >= DAY_S) return [];
  return [
    {
      level: "warning",
      code: "binlog-expiry",
      message: `The server deletes its logs after ${String(Math.round(seconds))} seconds: when shipping stands still for longer, there is a gap.`,
      remedy: "SET GLOBAL binlog_expire_logs_seconds=259200 (three days), and in the option file.",
    },
  ];
}

/** A note for each filter of the log; one that says so when the account may not read them. */
export function filterNotes(filters: LogFilters | null): ProbeNote[] {
  if (filters === null) return [{ level: "info", code: "binlog-filter-unknown", message: "Whether the log leaves schemas out could not be read.", remedy: "Run the GRANT of the note on backup privileges, and probe again." }];
  const set: [string, readonly string[]][] = [["binlog_do_db", filters.only], ["binlog_ignore_db", filters.without]];
  return set
    .filter(([, schemas]) => schemas.length > 0)
    .map(([name, schemas]) => ({
      level: "warning",
      code: "binlog-filter",
      message: `${name} is set (${schemas.join(", ")}): changes of other schemas or of these are not in the log and cannot be replayed.`,
      remedy: `Remove ${name} from the option file and restart the server.`,
    }));
}
