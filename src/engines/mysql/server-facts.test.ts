import { describe, expect, it } from "vitest";
import { redoCapacity, requireSuitable } from "./server-facts.ts";
import { parseVersion } from "./versions.ts";

function judged(version: string, comment = "", variables: Record<string, string> = {}): () => void {
  return () => requireSuitable({ version: parseVersion(version, comment)!, variables: new Map(Object.entries(variables)) });
}

describe("a server", () => {
  it.each([
    ["5.6.51-log", "MySQL Community Server (GPL)", {}, /MySQL 5\.6\.51/],
    ["8.4.3-3", "Percona Server (GPL)", {}, /Percona Server 8\.4\.3/],
    ["10.3.39-MariaDB", "", {}, /BACKUP STAGE/],
    ["13.0.1-MariaDB", "", { innodb_log_archive: "ON" }, /innodb_log_archive/],
  ])("%s %s %j is refused with the reason", (version, comment, variables, reason) => {
    expect(judged(version, comment, variables)).toThrow(reason);
    expect(judged(version, comment, variables)).toThrow(expect.objectContaining({ code: "DATABASE_UNSUITABLE" }) as Error);
  });

  it.each([
    ["10.4.0-MariaDB", {}],
    ["10.11.19-MariaDB-0+deb12u1-log", {}],
    ["13.0.1-MariaDB", { innodb_log_archive: "OFF" }],
  ])("%s %j is good", (version, variables) => {
    expect(judged(version, "", variables)).not.toThrow();
  });
});

describe("the redo log's capacity", () => {
  it.each([
    [{ innodb_log_file_size: "100663296" }, 100_663_296],
    [{ innodb_log_file_size: "50331648", innodb_log_files_in_group: "2" }, 100_663_296],
  ])("of %j is %i bytes", (variables, capacityBytes) => {
    expect(redoCapacity(new Map(Object.entries(variables)))).toEqual({ capacityBytes, setting: "innodb_log_file_size" });
  });

  it("is not made up where the server does not tell it", () => {
    expect(redoCapacity(new Map())).toBeNull();
  });
});
