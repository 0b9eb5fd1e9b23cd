import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TempDir, tempDir } from "../fixtures/temp.ts";
import { type UserPlace, userPlace } from "../fixtures/user-place.ts";

const SCRIPT = resolve(import.meta.dirname, "../../scripts/package.ts");
/** All that the start script asks of a host. */
const HOST_TOOLS = ["sh", "dirname", "readlink"];

const run = promisify(execFile);
let dir: TempDir;
let tarball: string;
let unpacked: string;

async function makeTarball(out: string): Promise<string> {
  await run(process.execPath, [SCRIPT, "--out", out]);
  const name = (await readdir(out)).find((file) => file.endsWith(".tar.gz"));
  return join(out, name ?? "nothing");
}

beforeAll(async () => {
  dir = await tempDir();
  tarball = await makeTarball(join(dir.path, "out"));
  await run("tar", ["--extract", `--file=${tarball}`, `--directory=${dir.path}`]);
  unpacked = join(dir.path, (await readdir(dir.path)).find((name) => name.startsWith("holdfast-")) ?? "nothing");
});

afterAll(async () => {
  await dir.remove();
});

describe("the tarball for hosts without Node and npm", () => {
  it("has a checksum file that sha256sum accepts, and comes out the same when it is made again", async () => {
    await run("sha256sum", ["--check", `${tarball}.sha256`], { cwd: join(dir.path, "out") });
    const again = await makeTarball(join(dir.path, "again"));
    const hashOf = async (path: string): Promise<string> => createHash("sha256").update(await readFile(path)).digest("hex");
    expect(await hashOf(again)).toBe(await hashOf(tarball));
  });

  it("holds what runs, and nothing that builds or tests it", async () => {
    const packages = await readdir(join(unpacked, "node_modules"));
    expect(packages).toEqual(expect.arrayContaining(["fastify", "kysely", `node-linux-${process.arch}`]));
    for (const name of ["typescript", "vitest", "eslint"]) expect(packages).not.toContain(name);
    const sources = await readdir(join(unpacked, "src"), { recursive: true });
    expect(sources).toContain("main.ts");
    expect(sources.filter((path) => path.endsWith(".test.ts"))).toEqual([]);
  });

  it("runs where there is no Node, on its own", async () => {
    const tools = join(dir.path, "tools");
    await mkdir(tools);
    for (const name of HOST_TOOLS) await symlink((await run("sh", ["-c", `command -v ${name}`])).stdout.trim(), join(tools, name));
    const place: UserPlace = await userPlace({ connection: "{ socket: /nowhere/none.sock, user: root }" });
    try {
      const holdfast = (...args: string[]) => run(join(unpacked, "bin", "holdfast"), args, { env: { PATH: tools, HOME: dir.path } });
      expect((await holdfast("--version")).stdout).toMatch(/^\d+\.\d+\.\d+/);
      await holdfast("apply", "--config", place.file("holdfast.yaml"));
      expect((await holdfast("status", "--config", place.file("holdfast.yaml"))).stdout).toContain("shop");
    } finally {
      await place.remove();
    }
  });
});
