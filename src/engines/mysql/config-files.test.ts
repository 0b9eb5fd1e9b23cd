import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readConfigFiles, redactOptions, startFiles } from "./config-files.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe("a server's option files", () => {
  it("are read with their includes, in order, once each, even in a circle", async () => {
    await mkdir(join(dir, "conf.d"));
    await writeFile(join(dir, "my.cnf"), `[mysqld]\nport=1\n!includedir ${dir}/conf.d\n!include more.cnf\n`);
    await writeFile(join(dir, "conf.d", "b.cnf"), "b");
    await writeFile(join(dir, "conf.d", "a.cnf"), "a");
    await writeFile(join(dir, "conf.d", "note.txt"), "no");
    await writeFile(join(dir, "more.cnf"), "!include my.cnf\n!includedir nowhere\n");
    const omitted: string[] = [];
    const files = await readConfigFiles(["mariadbd", `--defaults-file=${dir}/my.cnf`], (sentence) => omitted.push(sentence));
    expect(files.map((file) => file.path.slice(dir.length))).toEqual(["/my.cnf", "/conf.d/a.cnf", "/conf.d/b.cnf", "/more.cnf"]);
    expect(omitted).toEqual([expect.stringContaining("nowhere")]);
  });

  it("are found from the server's command line", () => {
    expect(startFiles(["mariadbd", "--no-defaults"])).toEqual([]);
    expect(startFiles(["mariadbd", "--defaults-extra-file=/x.cnf"])).toEqual(["/etc/my.cnf", "/etc/mysql/my.cnf", "/x.cnf"]);
  });

  it("lose the values of secrets and nothing else", () => {
    const text = "[client]\npassword = 'a # b'\nmaster-password=x\n  # old_passwd=1\nwsrep_sst_auth=u:p\nport=3306\nfile_key_management_filekey=FILE:/k\npassword\n";
    expect(redactOptions(text)).toBe("[client]\npassword = (hidden)\nmaster-password=(hidden)\n  # old_passwd=(hidden)\nwsrep_sst_auth=(hidden)\nport=3306\nfile_key_management_filekey=(hidden)\npassword\n");
  });
});
