import { describe, expect, it } from "vitest";
import { grantStatement, missing, needsOf, parseGrants, type Need } from "./privileges.ts";
import { parseVersion } from "./versions.ts";

const server = parseVersion("10.11.19-MariaDB")!;
const need = (code: string, version = server): Need => needsOf(version, { heartbeat: true }).find((row) => row.code === code)!;

describe("privileges", () => {
  it("are all there with ALL PRIVILEGES", () => {
    const held = parseGrants(["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION", "GRANT PROXY ON ``@`%` TO `root`@`localhost` WITH GRANT OPTION"]);
    expect(needsOf(server, { heartbeat: true }).flatMap((row) => missing(held, row))).toEqual([]);
  });

  it("are named in order when they lack, and only those", () => {
    const held = parseGrants(["GRANT RELOAD, BINLOG MONITOR ON *.* TO `bk`@`%` IDENTIFIED BY PASSWORD '*AB'"]);
    expect(missing(held, need("backup-privileges"))).toEqual(["PROCESS", "LOCK TABLES"]);
    expect(grantStatement({ account: "'b''k'@'%'" }, ["PROCESS", "LOCK TABLES"], null)).toBe("GRANT PROCESS, LOCK TABLES ON *.* TO 'b''k'@'%';");
  });

  it("have one meaning under the old and the new words", () => {
    const old = parseVersion("10.4.34-MariaDB")!;
    expect(need("backup-privileges", old).privileges).toContain("REPLICATION CLIENT");
    const held = parseGrants(["GRANT RELOAD, PROCESS, LOCK TABLES, REPLICATION CLIENT ON *.* TO `bk`@`%`"]);
    expect(missing(held, need("backup-privileges", old))).toEqual([]);
    expect(missing(held, need("backup-privileges"))).toEqual([]);
    const monitor: Need = { code: "x", level: "info", privileges: ["SLAVE MONITOR"], schema: null, loss: "" };
    expect(missing(parseGrants(["GRANT REPLICA MONITOR ON *.* TO `bk`@`%`"]), monitor)).toEqual([]);
  });

  it("on one schema count for that schema alone", () => {
    const held = parseGrants(["GRANT SELECT, INSERT, UPDATE, CREATE ON `holdfast`.* TO `bk`@`%`", "GRANT SELECT ON `mysql`.`db` TO `bk`@`%`"]);
    expect(missing(held, need("heartbeat-privileges"))).toEqual([]);
    expect(missing(held, need("read-privileges"))).toContain("SELECT");
  });

  it("of a column or a single table count for nothing", () => {
    expect(missing(parseGrants(["GRANT SELECT (a), INSERT ON `holdfast`.`heartbeat` TO `bk`@`%`"]), need("heartbeat-privileges"))).toEqual(["SELECT", "INSERT", "UPDATE", "CREATE"]);
  });
});
