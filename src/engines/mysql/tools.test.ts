import { describe, expect, it } from "vitest";
import { type FoundTool, findTool, knownOptions, requireMatch, requireOptions, toolFile } from "./tools.ts";
import { parseVersion } from "./versions.ts";

const tool = (version: string | null): FoundTool => ({ name: "mariadb-backup", file: "/x", version: version === null ? null : parseVersion(version) });
const server = parseVersion("10.11.19-MariaDB")!;

describe("tools", () => {
  it("are found on PATH with their versions, servers also where only root looks", async () => {
    expect(await findTool("mariadb-backup")).toMatchObject({ version: { flavour: "mariadb", series: "10.11" } });
    expect((await findTool("mbstream")).version).toBeNull();
    expect(await toolFile("mariadbd", "")).toBe("/usr/sbin/mariadbd");
    await expect(toolFile("mariadb-backup", "/nowhere")).rejects.toMatchObject({ code: "TOOL_MISSING" });
  });

  it("must be of the server's series and not older, and both versions are named", () => {
    expect(() => requireMatch(tool("10.11.20-MariaDB"), server)).not.toThrow();
    for (const version of ["10.11.18-MariaDB", "11.4.3-MariaDB"]) {
      expect(() => requireMatch(tool(version), server)).toThrow(expect.objectContaining({ code: "TOOL_VERSION", message: expect.stringMatching(new RegExp(`${version.slice(0, -8)}.*10\\.11\\.19`)) as string }) as Error);
    }
    expect(() => requireMatch(tool(null), server)).toThrow(expect.objectContaining({ code: "TOOL_VERSION" }) as Error);
  });

  it("are asked which options they know, since unknown ones are ignored without a word", async () => {
    const found = await findTool("mariadb-backup");
    const known = await knownOptions(found);
    expect(() => requireOptions(found, known, ["--defaults-file=/x", "--backup", "--stream=mbstream", "--incremental-lsn=5"])).not.toThrow();
    expect(() => requireOptions(found, known, ["--backup", "--apply-log-only"])).toThrow(/--apply-log-only/);
  });
});
