import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { identityOfLines } from "../../src/keys/paper-identity.ts";
import { HOLDFAST } from "../fixtures/holdfast-program.ts";
import { type TempDir, tempDir } from "../fixtures/temp.ts";
import { describeUnless } from "../skip.ts";

let dir: TempDir;
let child: ChildProcess | undefined;

beforeEach(async () => {
  dir = await tempDir();
  child = undefined;
});
afterEach(async () => {
  child?.kill("SIGKILL");
  await dir.remove();
});

interface Run {
  stdout(): string;
  stderr(): string;
  type(text: string): void;
  ended: Promise<number | null>;
}

function start(command: string, args: string[]): Run {
  const env = { PATH: process.env["PATH"], HOME: dir.path, TMPDIR: dir.path, TERM: "xterm" };
  const running = spawn(command, args, { cwd: dir.path, env, stdio: ["pipe", "pipe", "pipe"] });
  child = running;
  const said = { stdout: "", stderr: "" };
  running.stdout.setEncoding("utf8").on("data", (text: string) => (said.stdout += text));
  running.stderr.setEncoding("utf8").on("data", (text: string) => (said.stderr += text));
  const ended = once(running, "close").then(([code]) => code as number | null);
  return { stdout: () => said.stdout, stderr: () => said.stderr, type: (text) => void running.stdin.write(text), ended };
}

const linesIn = (text: string): string[] => Array.from(text.matchAll(/^ {4}(\d {2}.* = ...)\r?$/gm), ([, line = ""]) => line);
const lettersOf = (line: string): string => line.slice(3).split("=")[0]!.replace(/\s/g, "");

/** What `age-keygen` says the recipient of an identity is. */
async function recipientOf(identity: string): Promise<string> {
  const path = join(dir.path, "typed.key");
  await writeFile(path, `${identity}\n`);
  return execFileSync("age-keygen", ["-y", path], { encoding: "utf8" }).trim();
}

async function expectNowhereOnDisk(letters: readonly string[]): Promise<void> {
  for (const entry of await readdir(dir.path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const text = await readFile(join(entry.parentPath, entry.name), "latin1");
    for (const each of letters) expect(text, entry.name).not.toContain(each);
  }
}

describe("a ceremony between pipes", () => {
  test("prints the recipient alone on stdout, once the identity came back", async () => {
    const run = start(HOLDFAST, ["key", "ceremony"]);
    await expect.poll(() => run.stderr()).toContain("line 1: ");
    const lines = linesIn(run.stderr());
    expect(lines).toHaveLength(4);
    expect(run.stdout()).toBe("");
    run.type(`${lines.join("\n")}\n`);
    expect(await run.ended, run.stderr()).toBe(0);
    await expectNowhereOnDisk(lines.map(lettersOf));
    expect(run.stdout().trim()).toBe(await recipientOf(identityOfLines(lines.map(lettersOf))));
  });

  test("ends with an error and without a recipient when another line comes back", async () => {
    const run = start(HOLDFAST, ["key", "ceremony"]);
    await expect.poll(() => run.stderr()).toContain("line 1: ");
    run.type(`${linesIn(run.stderr())[1] ?? ""}\n`);
    expect(await run.ended).toBe(5);
    expect(run.stdout()).toBe("");
    expect(run.stderr()).toContain("No pair was made.");
  });

  test("shows nothing when it would go to a file", async () => {
    const run = start("sh", ["-c", `"${HOLDFAST}" key ceremony 2>said`]);
    expect(await run.ended).toBe(5);
    const said = await readFile(join(dir.path, "said"), "utf8");
    expect(said).toContain("would go to a file");
    expect(linesIn(said)).toEqual([]);
  });
});

const hasScript = spawnSync("script", ["--version"]).status === 0;

describeUnless(hasScript ? undefined : "script is not on PATH", "a ceremony at a terminal", () => {
  test("clears the screen before it asks, and at its end", async () => {
    const run = start("script", ["-qfec", `'${HOLDFAST}' key ceremony`, "/dev/null"]);
    await expect.poll(() => run.stdout()).toContain("Press Enter");
    const lines = linesIn(run.stdout());
    expect(lines).toHaveLength(4);
    run.type("\n");
    for (const [index, line] of lines.entries()) {
      await expect.poll(() => run.stdout()).toContain(`line ${String(index + 1)}: `);
      run.type(`${index === 2 ? "not this\n" : ""}${lettersOf(line).toLowerCase()}\n`);
    }
    expect(await run.ended, run.stdout()).toBe(0);
    const screens = run.stdout().split("\u001b[2J\u001b[3J\u001b[H");
    expect(screens).toHaveLength(3);
    expect(linesIn(screens.slice(1).join())).toEqual([]);
    expect(screens[1]).toContain("Once more, please.");
    await expectNowhereOnDisk(lines.map(lettersOf));
    expect(screens[2]).toContain(await recipientOf(identityOfLines(lines.map(lettersOf))));
  });

  test("can be left with Ctrl-C", async () => {
    const run = start("script", ["-qfec", `'${HOLDFAST}' key ceremony`, "/dev/null"]);
    await expect.poll(() => run.stdout()).toContain("Press Enter");
    run.type("\u0003");
    expect(await run.ended, run.stdout()).toBe(130);
    expect(run.stdout()).not.toContain("age1");
  });
});
