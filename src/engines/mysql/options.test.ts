import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runTool } from "../../lib/process.ts";
import { writeDefaultsFile } from "./defaults-file.ts";
import { mysqlConnection, resolvePassword } from "./options.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe("the connection of a mysql instance", () => {
  it.each([
    [{ user: "a", password: "p" }, "either `host`"],
    [{ user: "a", password: "p", host: "h", socket: "/s" }, "either `host`"],
    [{ user: "a", host: "h" }, "give one of `password`"],
    [{ user: "a", host: "h", password: "p", passwordEnv: "P" }, "only one of"],
    [{ user: "a", socket: "/s", port: 1 }, "`port` has no meaning"],
    [{ user: "a", socket: "/s", pasword: "x" }, "pasword"],
  ])("is refused as %j", (connection, fault) => {
    expect(() => mysqlConnection(connection)).toThrow(fault);
  });

  it("never shows a password in a fault", () => {
    expect(() => mysqlConnection({ user: "a", password: "s3cret", host: "h", passwordEnv: "P" })).toThrow(/^(?!.*s3cret)/);
  });

  it("takes the password from a file's first line or a variable", async () => {
    await writeFile(join(dir, "pw"), " tricky \nrest");
    expect(await resolvePassword({ passwordFile: join(dir, "pw") })).toBe(" tricky ");
    expect(await resolvePassword({ passwordEnv: "P" }, { P: "x" })).toBe("x");
    await expect(resolvePassword({ passwordEnv: "P" }, {})).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(resolvePassword({ passwordFile: join(dir, "none") })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  it.each(["plain", ' a"b\\c #x\' ', "tab\there", "line\nbreak", "#;=[x]", "\\s\\n", '"', "ü☃"])("reaches MariaDB's tools with the password %j through a private option file", async (password) => {
    const path = await writeDefaultsFile(dir, { user: "bk", password, host: "127.0.0.1", port: 3307 });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const { stdout } = await runTool({ file: "my_print_defaults", args: [`--defaults-file=${path}`, "client"] });
    expect(stdout).toBe(`--user=bk\n--password=${password}\n--host=127.0.0.1\n--port=3307\n--protocol=tcp\n`);
  });
});
