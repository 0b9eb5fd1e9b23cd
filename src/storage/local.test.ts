import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, rmdir, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { describeStorage } from "../../test/contract/storage.ts";
import { describeUnless } from "../../test/skip.ts";
import { fileSystemError } from "./local-errors.ts";
import { localStorage } from "./local.ts";
import type { Storage } from "./storage.ts";

let folder: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "hf-st-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describeStorage("local", async () => localStorage.open({ path: join(folder, String(count++)) }));

function put(storage: Storage, key: string, body: string): Promise<unknown> {
  const bytes = Buffer.from(body);
  return storage.put(key, [bytes], { sizeBytes: bytes.byteLength, sha256: createHash("sha256").update(bytes).digest("hex") });
}

describe("the local driver", () => {
  let root: string;
  let storage: Storage;
  beforeEach(() => {
    root = join(folder, String(count++));
    storage = localStorage.open({ path: root });
  });

  test("objects and folders are closed to others, and no second link stays", async () => {
    await put(storage, "a/b", "x");
    const object = await stat(join(root, "a/b"));
    expect(object.mode & 0o777 & ~0o640).toBe(0);
    expect(object.nlink).toBe(1);
    expect((await stat(join(root, "a"))).mode & 0o777 & ~0o770).toBe(0);
    expect(await readdir(join(root, ".tmp"))).toEqual([]);
  });

  test("a group may write into folders where the umask lets it, and never into objects", async () => {
    const umask = process.umask(0o007);
    try {
      await put(storage, "a/b", "x");
    } finally {
      process.umask(umask);
    }
    expect((await stat(join(root, "a"))).mode & 0o777).toBe(0o770);
    expect((await stat(join(root, "a/b"))).mode & 0o777).toBe(0o640);
  });

  test("delete removes folders that are empty without the object, never the repository's own", async () => {
    await put(storage, "a/b/c", "x");
    await put(storage, "a/d", "x");
    await storage.delete(["a/b/c"]);
    expect(await readdir(join(root, "a"))).toEqual(["d"]);
    await storage.delete(["a/d"]);
    expect(await readdir(root)).toEqual([".tmp"]);
  });

  test("a put succeeds while somebody keeps removing its empty folders", async () => {
    const putting = { isDone: false };
    const remover = (async () => {
      while (!putting.isDone) {
        await rmdir(join(root, "busy/deep")).catch(() => undefined);
        await wait(1);
      }
    })();
    for (let number = 0; number < 150; number += 1) {
      const key = `busy/deep/${number}`;
      await put(storage, key, key);
      await storage.delete([key]);
    }
    putting.isDone = true;
    await remover;
  });

  test("an object and a folder cannot have one name", async () => {
    await put(storage, "a/b", "x");
    await expect(put(storage, "a", "y")).rejects.toMatchObject({ code: "INPUT_INVALID" });
    await expect(put(storage, "a/b/c", "y")).rejects.toMatchObject({ code: "INPUT_INVALID" });
    expect(await storage.leftovers({ olderThanMs: -1_000, remove: false })).toEqual([]);
  });

  test("a symbolic link is no object", async () => {
    await put(storage, "a", "x");
    await symlink("/etc/hostname", join(root, "link"));
    await expect(storage.get("link")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
    expect(await storage.stat("link")).toBeNull();
    await expect(put(storage, "link", "y")).rejects.toMatchObject({ code: "OBJECT_EXISTS" });
  });

  test("leftovers are unfinished writes of a certain age, by their path, and go when told", async () => {
    await put(storage, "a", "x");
    const [old, young] = [join(root, ".tmp/old.part"), join(root, ".tmp/young.part")];
    await writeFile(old, "half");
    await writeFile(young, "half");
    const hourAgo = Date.now() / 1_000 - 3_600;
    await utimes(old, hourAgo, hourAgo);
    expect(await storage.leftovers({ olderThanMs: 60_000, remove: false })).toEqual([old]);
    expect(await storage.leftovers({ olderThanMs: 60_000, remove: true })).toEqual([old]);
    expect(await readdir(join(root, ".tmp"))).toEqual(["young.part"]);
    expect(await storage.leftovers({ olderThanMs: 60_000, remove: true })).toEqual([]);
  });

  test("a repository that is not there lists nothing", async () => {
    expect(await storage.stat("a")).toBeNull();
    expect(await storage.leftovers({ olderThanMs: 0, remove: true })).toEqual([]);
    for await (const object of storage.list("")) expect(object).toBeUndefined();
  });

  test("its options must be an absolute path and nothing else", () => {
    expect(localStorage.options.safeParse({ path: "relative" }).success).toBe(false);
    expect(localStorage.options.safeParse({ path: "/x", secret: 1 }).success).toBe(false);
    expect(localStorage.options.safeParse({ path: "/x" }).success).toBe(true);
  });

  test.each([
    ["ENOSPC", "STORAGE_FULL"],
    ["EDQUOT", "STORAGE_FULL"],
    ["EROFS", "STORAGE_READ_ONLY"],
    ["EACCES", "STORAGE_READ_ONLY"],
    ["EPERM", "STORAGE_READ_ONLY"],
    ["EIO", "STORAGE_FAILED"],
  ])("%s becomes %s and names the path", (code, expected) => {
    const cause = Object.assign(new Error("broken"), { code, syscall: "write" });
    expect(fileSystemError(cause, "written", "/r/k")).toMatchObject({ code: expected, cause, message: expect.stringContaining("/r/k") as string, hint: expect.stringContaining("/r/k") as string });
  });

  test("an error that is not the file system's stays what it is", () => {
    const cause = Object.assign(new Error("other"), { code: "ENOSPC" });
    expect(fileSystemError(cause, "written", "/r/k")).toBe(cause);
  });
});

const canTrace = spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0;
const canMount = spawnSync("unshare", ["-m", "true"]).status === 0;

describeUnless(canMount && canTrace ? undefined : "root and strace are needed to mount and to watch a file system", "the local driver on a faulty file system", () => {
  const node = process.execPath;
  const putScript = (root: string, sizeBytes: number): string => `
    const { localStorage } = await import(${JSON.stringify(new URL("./local.ts", import.meta.url).href)});
    const { createHash } = await import("node:crypto");
    const body = Buffer.alloc(${sizeBytes}, "x");
    const storage = localStorage.open({ path: ${JSON.stringify(root)} });
    const end = await storage.put("a/b", [body], { sizeBytes: body.byteLength, sha256: createHash("sha256").update(body).digest("hex") }).then(() => "stored", (error) => error.code);
    process.stdout.write(end);`;

  test("a put syncs the file before it has its name, and every folder up to the root after", async () => {
    const root = await mkdtemp(join(folder, "sync-"));
    const trace = join(folder, "trace.txt");
    execFileSync("strace", ["-f", "-y", "-o", trace, "-e", "trace=fsync,link,unlink", node, "--input-type=module", "-e", putScript(root, 100)]);
    const calls = (await readFile(trace, "utf8")).split("\n").filter((line) => line.includes(root) || line.includes("resumed"));
    const place = (pattern: RegExp): number => calls.findIndex((line) => pattern.test(line));
    const last = (pattern: RegExp): number => calls.findLastIndex((line) => pattern.test(line));
    const linked = place(/link\("[^"]*\.part", "[^"]*a\/b"/);
    expect(linked).toBeGreaterThan(-1);
    expect(place(/fsync\(\d+<[^>]*\.part>/)).toBeGreaterThan(-1);
    expect(place(/fsync\(\d+<[^>]*\.part>/)).toBeLessThan(linked);
    const folderSynced = last(/fsync\(\d+<[^>]*\/a>/);
    const rootSynced = last(/fsync\(\d+<[^>]*sync-[^/>]*>/);
    expect(folderSynced).toBeGreaterThan(linked);
    expect(rootSynced).toBeGreaterThan(folderSynced);
    expect(last(/unlink\("[^"]*\.part"/)).toBeGreaterThan(rootSynced);
  });

  test("a full file system is said, and leaves nothing", async () => {
    const root = await mkdtemp(join(folder, "full-"));
    const inNamespace = spawnSync("unshare", ["-m", "sh", "-c", 'mount -t tmpfs -o size=1m tmpfs "$1" && "$2" --input-type=module -e "$3"; find "$1" -type f', "sh", root, node, putScript(root, 4_000_000)], { encoding: "utf8" });
    expect(inNamespace.stdout).toBe("STORAGE_FULL");
  });

  test("a folder that is not ours is said", async () => {
    const root = await mkdtemp(join(folder, "ro-"));
    await mkdir(join(root, ".tmp"));
    await chmod(folder, 0o755);
    await chmod(root, 0o555);
    const ended = execFileSync("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", node, "--input-type=module", "-e", putScript(root, 10)], { encoding: "utf8" });
    expect(ended).toBe("STORAGE_READ_ONLY");
  });
});
