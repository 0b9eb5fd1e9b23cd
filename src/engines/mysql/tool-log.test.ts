import { describe, expect, it } from "vitest";
import { followToolLog } from "./tool-log.ts";

const GOOD = [
  "[00] 2026-11-21 10:34:58 Connecting to MariaDB server host: localhost, user: bk, password: set, port: not set, socket: /s",
  "mariadb-backup based on MariaDB server 10.11.19-MariaDB debian-linux-gnu (x86_64)",
  "[00] 2026-11-21 10:34:58 Acquired locks for BACKUP STAGE START",
  "[01] 2026-11-21 10:34:58 Streaming ./sys/statements_with_errors_or_warnings.frm to <STDOUT>",
  "[01] 2026-11-21 10:34:58 Streaming ./shop/Error.frm to <STDOUT>",
  "[00] 2026-11-21 10:34:58 Acquired locks for BACKUP STAGE BLOCK_DDL",
  "[01] 2026-11-21 10:34:58 Streaming ./shop/t.frm to <STDOUT>",
  "[00] 2026-11-21 10:34:58 Executing BACKUP STAGE END",
  "[00] 2026-11-21 10:34:59 completed OK!",
];

function faultOf(lines: readonly string[]): string | null {
  const log = followToolLog();
  for (const line of lines) log.line(line);
  return log.fault();
}

describe("the log of mariadb-backup", () => {
  it("is believed when it ends with completed OK! and holds no error", () => {
    expect(faultOf([...GOOD, ""])).toBeNull();
  });

  it.each([
    "[00] FATAL ERROR: 2026-11-21 10:22:01 Was only able to copy log from 1 to 2, not 3; try increasing innodb_log_file_size",
    "[00] 2026-11-21 10:22:01 Error: cannot open ./shop/t.ibd",
    "2026-11-21 10:22:01 0 [ERROR] InnoDB: Operating system error number 13 in a file operation.",
    "mariabackup: error: log block numbers mismatch:",
    "[01] 2026-11-21 10:22:01 mariabackup: Error writing file",
  ])("is not believed with the line %s", (line) => {
    expect(faultOf([...GOOD.slice(0, 4), line, ...GOOD.slice(4)])).toContain(line);
  });

  it("is not believed when it ends with anything else", () => {
    expect(faultOf(GOOD.slice(0, -1))).toContain("BACKUP STAGE END");
    expect(faultOf([...GOOD, "and one more thing"])).toContain("one more thing");
    expect(faultOf([])).toContain("nothing");
  });

  it("tells phases that only go forward", () => {
    const log = followToolLog();
    const phases = GOOD.map((line) => {
      log.line(line);
      return log.phase();
    });
    expect(phases).toEqual(["starting", "starting", "copying", "copying", "copying", "locked", "locked", "finishing", "finished"]);
  });

  it("tells which lock makes others wait, from the moment it is asked for until all are released", () => {
    const log = followToolLog();
    const lines = [
      "[00] 2026-11-21 11:29:08 Acquired locks for BACKUP STAGE START",
      "[00] 2026-11-21 11:29:08 Finished BACKUP STAGE FLUSH",
      "[00] 2026-11-21 11:29:08 Started BACKUP STAGE BLOCK_DDL",
      "[00] 2026-11-21 11:29:08 Copied file ./s/m.MYD for table `s`.`All tables unlocked`, 0 bytes",
      "[00] 2026-11-21 11:29:08 Finished BACKUP STAGE BLOCK_DDL",
      "[00] 2026-11-21 11:29:08 Starting BACKUP STAGE BLOCK_COMMIT",
      "mariabackup: Stopping log copying thread.",
      "[00] 2026-11-21 11:29:08 Executing BACKUP STAGE END",
      "[00] 2026-11-21 11:29:08 All tables unlocked",
    ];
    const [ddl, commit] = ["BACKUP STAGE BLOCK_DDL", "BACKUP STAGE BLOCK_COMMIT"];
    const blocking = lines.map((line) => {
      log.line(line);
      return log.blocking();
    });
    expect(blocking).toEqual([null, null, ddl, ddl, ddl, commit, commit, commit, null]);
  });
});
