import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeFolders } from "./folders.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-fo-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe("makeFolders", () => {
  it("makes what is missing, gives the topmost folder it made, and makes nothing twice", async () => {
    expect(await makeFolders(join(dir, "a/b/c"), 0o700)).toBe(join(dir, "a"));
    expect((await stat(join(dir, "a/b/c"))).mode & 0o777).toBe(0o700);
    expect(await makeFolders(join(dir, "a/b/d"), 0o700)).toBe(join(dir, "a/b/d"));
    expect(await makeFolders(join(dir, "a/b/d"), 0o700)).toBeUndefined();
    expect(await readdir(join(dir, "a/b"))).toEqual(["c", "d"]);
  });

  it("ends with what the system says below a file and where no folder can be", async () => {
    await writeFile(join(dir, "file"), "");
    await expect(makeFolders(join(dir, "file/a/b"), 0o700)).rejects.toMatchObject({ code: "ENOTDIR" });
    await expect(makeFolders("/proc/none/a", 0o700)).rejects.toMatchObject({ code: "ENOENT" });
  });
});
