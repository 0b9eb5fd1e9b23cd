import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keyFromPaper } from "./from-paper.ts";
import { generateKeyPair, type KeyPair } from "./keys/identities.ts";
import { paperLines, paperLineText } from "./keys/paper-identity.ts";
import { systemClock } from "./lib/clock.ts";
import type { Terminal } from "./terminal.ts";

let folder: string;
let pair: KeyPair;
let paper: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hf-fp-"));
  pair = await generateKeyPair();
  paper = paperLines(pair.identity).map(paperLineText);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function type(lines: readonly string[], isScreen = false): Promise<{ recipient: string; path: string }> {
  const waiting = [...lines];
  const terminal: Terminal = { isScreen, isFile: false, write: () => undefined, readLine: () => Promise.resolve(waiting.shift() ?? null), close: () => undefined };
  return keyFromPaper({ terminal, path: join(folder, "escrow.key"), signal: new AbortController().signal, clock: systemClock });
}

test("what is on paper becomes the identity file again", async () => {
  expect(await type(["AGE-SECRET-KEY-1", ...paper])).toEqual({ recipient: pair.recipient, path: join(folder, "escrow.key") });
  expect(await readFile(join(folder, "escrow.key"), "utf8")).toContain(pair.identity);
  expect((await stat(join(folder, "escrow.key"))).mode & 0o777).toBe(0o600);
});

test("a whole identity in one line will do", async () => {
  expect((await type([pair.identity.toLowerCase()])).recipient).toBe(pair.recipient);
});

test("a wrong line is asked for again at a screen, and named", async () => {
  const [first = "", ...rest] = paper;
  expect((await type([`${first.slice(0, -1)}${first.endsWith("Q") ? "P" : "Q"}`, first, ...rest], true)).recipient).toBe(pair.recipient);
});

test("nothing is written for a wrong line, a wrong whole or too few lines", async () => {
  const [first = "", second = "", third = "", fourth = ""] = paper;
  const bare = (line: string): string => line.split("=")[0] ?? "";
  const other = bare(third).replace(/\S(\s*)$/, (last, spaces: string) => `${last.startsWith("Q") ? "P" : "Q"}${spaces}`);
  await expect(type([first, third])).rejects.toMatchObject({ code: "INPUT_INVALID", message: expect.stringContaining("Line 2") as string });
  await expect(type([first, second, other, fourth])).rejects.toMatchObject({ code: "INPUT_INVALID", message: expect.stringContaining("checksum") as string });
  await expect(type([first, second])).rejects.toMatchObject({ code: "INPUT_INVALID", message: "Nothing more was typed." });
  expect(await readdir(folder)).toEqual([]);
});
