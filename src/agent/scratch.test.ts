import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { delay } from "../lib/clock.ts";
import { type Log, silentLog } from "../lib/log.ts";
import { makeScratch, removeLeftovers } from "./scratch.ts";

const attempt = { attemptId: "01J00000000000000ABCDEFGHJ", agent: "a" };
let root: string;
beforeEach(async () => {
  root = join(await mkdtemp(join(tmpdir(), "hf-")), "scratch");
});
afterEach(() => rm(join(root, ".."), { recursive: true, force: true }));

test("an attempt's directory is empty, can be passed through, and is gone at the end", async () => {
  const scratch = await makeScratch(root, attempt);
  expect(await readdir(scratch.dir)).toEqual([]);
  expect((await stat(scratch.dir)).mode & 0o777).toBe(0o711);
  await writeFile(join(scratch.dir, "x"), "x");
  await scratch.remove();
  expect(await readdir(root)).toEqual([]);
});

test("what an attempt has left outside of its directory goes with it, and nothing else", async () => {
  const scratch = await makeScratch(root, attempt);
  const [left, finished] = [join(root, "..", `target.partial-${attempt.attemptId}`), join(root, "..", "target")];
  for (const path of [left, finished]) await mkdir(join(path, "shop"), { recursive: true });
  await writeFile(join(scratch.dir, "outside.json"), JSON.stringify([left, `${left}-of-another`, finished]));
  await scratch.remove();
  expect(await readdir(join(root, ".."))).toEqual(["scratch", "target"]);
});

test("what a living process works in is no leftover", async () => {
  const scratch = await makeScratch(root, attempt);
  expect(await removeLeftovers(root, silentLog)).toEqual([]);
  expect(await readdir(scratch.dir)).toEqual([]);
});

test("what a dead process left is removed and named, even when its process number lives again", async () => {
  const seen: object[] = [];
  const log: Log = { ...silentLog, warn: (fields) => seen.push(fields) };
  const leave = async (name: string, owner: unknown): Promise<string> => {
    const home = join(root, name);
    await mkdir(join(home, "w", "data"), { recursive: true });
    if (owner !== null) await writeFile(join(home, "owner.json"), typeof owner === "string" ? owner : JSON.stringify(owner));
    return home;
  };
  const homes = [
    await leave("dead", { pid: 4_194_304, processStart: "1", attemptId: "01DEAD", agent: "a" }),
    await leave("half", '{"pid":'),
    await leave("nobody", null),
    await leave("reborn", { pid: process.pid, processStart: "1", attemptId: "01REBORN", agent: "a" }),
  ];
  expect((await removeLeftovers(root, log)).sort()).toEqual(homes);
  expect(await readdir(root)).toEqual([]);
  expect(seen).toContainEqual({ path: homes[0], attemptId: "01DEAD", pid: 4_194_304 });
});

test("a root that does not exist yet has no leftovers", async () => {
  expect(await removeLeftovers(join(root, "none"), silentLog)).toEqual([]);
});

test("what could not be made whole is gone again", () => {
  const making = `
    const { makeScratch } = await import(${JSON.stringify(new URL("scratch.ts", import.meta.url).href)});
    await makeScratch(process.argv[1], ${JSON.stringify(attempt)}).catch((error) => console.log(error.code));`;
  // Directories can be made, files cannot be written: as on a full disk.
  const { stdout } = spawnSync("prlimit", ["--fsize=0", process.execPath, "--input-type=module", "-e", making, root], { encoding: "utf8" });
  expect(stdout).toBe("EFBIG\n");
  expect(readdirSync(root)).toEqual([]);
});

/** Makes scratch space, says so, and removes it when told to. */
const HOLDER = `
  const { makeScratch } = await import(${JSON.stringify(new URL("scratch.ts", import.meta.url).href)});
  const scratch = await makeScratch(process.argv[1], { attemptId: "01J00000000000000ABCDEFGHJ", agent: "a" });
  process.send("made");
  process.once("message", () => scratch.remove().then(() => process.send("removed"), (error) => process.send(String(error))).then(() => process.disconnect()));`;

test("an attempt's directory, and what it left outside, is removed even when the process has no file handle left for some seconds", async () => {
  const holder = spawn(process.execPath, ["--input-type=module", "-e", HOLDER, root], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const limitFiles = (soft: string): void => {
    expect(spawnSync("prlimit", ["--pid", String(holder.pid), `--nofile=${soft}:`]).status).toBe(0);
  };
  try {
    expect((await once(holder, "message"))[0]).toBe("made");
    const left = join(root, "..", `target.partial-${attempt.attemptId}`);
    await mkdir(join(left, "shop"), { recursive: true });
    await writeFile(join(root, "ABCDEFGHJ".padStart(10, "0"), "w", "outside.json"), JSON.stringify([left]));
    limitFiles("3");
    const said = once(holder, "message");
    holder.send("remove");
    // It cannot succeed before the limit is taken back: longer than this it must not have given up either.
    const early = await Promise.race([said, delay(1_500).then(() => "nothing yet")]);
    expect(early).toBe("nothing yet");
    limitFiles("1024");
    expect((await said)[0]).toBe("removed");
    expect(await readdir(root)).toEqual([]);
    expect(await readdir(join(root, ".."))).toEqual(["scratch"]);
  } finally {
    holder.kill("SIGKILL");
  }
}, 60_000);
