import { describe, expect, it } from "vitest";
import { compareVersions, parseVersion, toolMatchesServer, type Version } from "./versions.ts";

const version = (text: string, comment?: string): Version => parseVersion(text, comment)!;

describe("versions", () => {
  it.each([
    ["10.11.19-MariaDB-0+deb12u1-log", "", "mariadb", "10.11.19"],
    ["5.5.5-10.4.2-MariaDB", "", "mariadb", "10.4.2"],
    ["5.5.5-10.0.1", "MariaDB Server", "mariadb", "10.0.1"],
    ["5.5.68-MariaDB", "", "mariadb", "5.5.68"],
    ["mariadb-backup based on MariaDB server 10.11.19-MariaDB debian-linux-gnu (x86_64)", "", "mariadb", "10.11.19"],
    ["mariadb  Ver 15.1 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64) using  EditLine wrapper", "", "mariadb", "10.11.19"],
    ["5.6.51-log", "MySQL Community Server (GPL)", "mysql", "5.6.51"],
    ["8.4.3-3", "Percona Server (GPL), Release 3", "percona", "8.4.3"],
    ["26.10.0", "MySQL Community Server", "mysql", "26.10.0"],
    ["2026.1.12-MariaDB", "", "mariadb", "2026.1.12"],
  ])("reads %s", (text, comment, flavour, plain) => {
    expect(version(text, comment)).toMatchObject({ flavour, text: plain });
  });

  it("gives null where there is none", () => {
    expect(parseVersion("mbstream  Ver 1.0 for debian-linux-gnu")).toBeNull();
  });

  it("are ordered by number, not by text", () => {
    expect(compareVersions(version("10.11.9-MariaDB"), version("10.11.19-MariaDB"))).toBeLessThan(0);
    expect(compareVersions(version("11.4.0-MariaDB"), version("10.11.19-MariaDB"))).toBeGreaterThan(0);
  });

  it.each([
    ["10.11.19-MariaDB", "10.11.19-MariaDB", true],
    ["10.11.20-MariaDB", "10.11.19-MariaDB", true],
    ["10.11.18-MariaDB", "10.11.19-MariaDB", false],
    ["11.4.19-MariaDB", "10.11.19-MariaDB", false],
    ["10.11.19-MariaDB", "10.6.19-MariaDB", false],
    ["8.0.35", "8.0.34", true],
    ["8.0.35", "10.11.19-MariaDB", false],
  ])("a tool %s for a server %s: %s", (tool, server, fits) => {
    expect(toolMatchesServer(version(tool), version(server))).toBe(fits);
  });
});
