import { describe, expect, it } from "vitest";
import { isLogged, isMarkerLogged, type LogFilters } from "./log-filters.ts";
import { filterNotes, logNotes } from "./probe-log.ts";

const GOOD: Record<string, string> = {
  log_bin: "ON", sync_binlog: "1", innodb_flush_log_at_trx_commit: "1", binlog_format: "ROW", binlog_checksum: "CRC32", log_slave_updates: "ON", binlog_expire_logs_seconds: "0", expire_logs_days: "0.000000",
};

function codes(changed: Record<string, string>, replica = false): string[] {
  return logNotes({ variables: new Map(Object.entries({ ...GOOD, ...changed })) }, { replica }).map((note) => note.code);
}

describe("notes on the log's settings", () => {
  it.each<[Record<string, string>, boolean, string[]]>([
    [{}, true, []],
    [{ log_bin: "OFF", sync_binlog: "0" }, false, ["log-bin-off"]],
    [{ sync_binlog: "100" }, false, ["sync-binlog"]],
    [{ innodb_flush_log_at_trx_commit: "2" }, false, ["innodb-flush"]],
    [{ binlog_format: "STATEMENT" }, false, ["binlog-format"]],
    [{ binlog_checksum: "NONE" }, false, ["binlog-checksum"]],
    [{ log_slave_updates: "OFF" }, false, []],
    [{ log_slave_updates: "OFF" }, true, ["log-slave-updates"]],
    [{ binlog_expire_logs_seconds: "86399" }, false, ["binlog-expiry"]],
    [{ binlog_expire_logs_seconds: "86400" }, false, []],
    [{ expire_logs_days: "0.5" }, false, ["binlog-expiry"]],
  ])("%j on a replica: %s gives %j", (changed, replica, expected) => {
    expect(codes(changed, replica)).toEqual(expected);
  });

  it("name each filter, and say when they could not be read", () => {
    expect(filterNotes({ only: ["a"], without: ["b", "c"], byTable: true }).map((note) => note.message)).toEqual([expect.stringContaining("binlog_do_db is set (a)"), expect.stringContaining("binlog_ignore_db is set (b, c)")]);
    expect(filterNotes({ only: [], without: [], byTable: true })).toEqual([]);
    expect(filterNotes(null).map((note) => note.code)).toEqual(["binlog-filter-unknown"]);
  });
});

describe("a schema under filters of the log", () => {
  const filters = (changed: Partial<LogFilters>): LogFilters => ({ only: [], without: [], byTable: true, ...changed });

  it("is logged for certain only where tables decide", () => {
    expect(isLogged(filters({}), "a")).toBe(true);
    expect(isLogged(filters({ only: ["a"] }), "a")).toBe(true);
    expect(isLogged(filters({ only: ["a"] }), "b")).toBe(false);
    expect(isLogged(filters({ without: ["a"] }), "a")).toBe(false);
    expect(isLogged(filters({ without: ["a"] }), "b")).toBe(true);
    expect(isLogged(filters({ without: ["a"], byTable: false }), "b")).toBe(false);
  });

  it("takes the marker unless it is left out by name or not let in", () => {
    expect(isMarkerLogged(filters({ without: ["a"], byTable: false }), "holdfast")).toBe(true);
    expect(isMarkerLogged(filters({ without: ["holdfast"] }), "holdfast")).toBe(false);
    expect(isMarkerLogged(filters({ only: ["holdfast"], byTable: false }), "holdfast")).toBe(false);
    expect(isMarkerLogged(filters({ only: ["holdfast"] }), "holdfast")).toBe(true);
  });
});
