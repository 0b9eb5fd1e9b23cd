import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identityToRecipient } from "age-encryption";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CeremonyOptions, keyCeremony } from "./ceremony.ts";
import { identityOfLines } from "./keys/paper-identity.ts";
import type { Terminal } from "./terminal.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hf-kc-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const NEVER = new AbortController().signal;

/** Somebody who copies what is shown and answers with what `answers` makes of it. */
function person(answers: (lines: string[]) => readonly (string | null)[], options: Partial<Terminal> = {}): { terminal: Terminal; shown: () => string } {
  let shown = "";
  let waiting: (string | null)[] | undefined;
  const terminal: Terminal = {
    isScreen: false,
    isFile: false,
    write: (text) => void (shown += text),
    readLine: async () => {
      waiting ??= [...answers(sheetLines(shown))];
      return waiting.shift() ?? null;
    },
    close: () => undefined,
    ...options,
  };
  return { terminal, shown: () => shown };
}

const sheetLines = (text: string): string[] => Array.from(text.matchAll(/^ {4}(\d {2}.* = ...)$/gm), ([, line = ""]) => line);
const identityOf = (shown: string): string => identityOfLines(sheetLines(shown).map((line) => line.slice(3).split("=")[0]!.replace(/\s/g, "")));
const run = ({ terminal }: { terminal: Terminal }, options: Partial<CeremonyOptions> = {}) => keyCeremony({ terminal, printer: undefined, from: undefined, signal: NEVER, ...options });
const refused = (words: string) => ({ code: "REFUSED", message: expect.stringContaining(words) as string });

describe("a ceremony", () => {
  test("tells the recipient of the identity that was typed back", async () => {
    const somebody = person((lines) => lines);
    const { recipient } = await run(somebody);
    expect(recipient).toBe(await identityToRecipient(identityOf(somebody.shown())));
    expect(somebody.shown()).not.toContain(recipient);
  });

  test("makes another pair each time", async () => {
    expect(await run(person((lines) => lines))).not.toEqual(await run(person((lines) => lines)));
  });

  test("takes the whole identity in one line", async () => {
    const somebody = person((lines) => ["", identityOfLines(lines.map((line) => line.slice(3).split("=")[0]!.replace(/\s/g, "")))]);
    expect((await run(somebody)).recipient).toBe(await identityToRecipient(identityOf(somebody.shown())));
  });

  test.each<[string, (lines: string[]) => (string | null)[], string]>([
    ["nothing is typed", () => [], "nothing more was typed"],
    ["a line is missing", (lines) => lines.slice(0, 3), "nothing more was typed"],
    ["a line is another one", ([a = "", , c = "", d = ""]) => [a, c, c, d], "Line 2 was not typed as it is on paper"],
    ["a line is wrong and has no code", ([a = "", b = "", ...rest]) => [a, b.split("=")[0]!.replace(/^(.*)(\S)(\s*)$/, (_all, start: string, last: string, end: string) => `${start}${last === "Q" ? "P" : "Q"}${end}`), ...rest], "Line 2 is not the one that was shown"],
    ["it is another identity", () => ["AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"], "what came back is another identity"],
  ])("makes no pair when %s", async (_what, answers, words) => {
    await expect(run(person(answers))).rejects.toMatchObject(refused(words));
  });

  test("at a screen clears it before and after it asks, and lets a person mistype", async () => {
    const somebody = person(([a = "", ...rest]) => ["", "nonsense!", `${a}X`, a, ...rest], { isScreen: true });
    await run(somebody);
    const [sheet = "", asked = "", after = ""] = somebody.shown().split("\u001b[2J\u001b[3J\u001b[H");
    expect(sheetLines(sheet)).toHaveLength(4);
    expect(sheetLines(asked)).toHaveLength(0);
    expect(asked).toContain("Once more, please.");
    expect(after).toBe("");
  });

  test("at a screen gives up at the third wrong line", async () => {
    await expect(run(person(() => ["", "x", "y", "z"], { isScreen: true }))).rejects.toMatchObject(refused("Line 1"));
  });

  test("shows nothing where it would stay in a file", async () => {
    const somebody = person((lines) => lines, { isFile: true });
    await expect(run(somebody)).rejects.toMatchObject(refused("would go to a file"));
    expect(somebody.shown()).toBe("");
    await writeFile(join(folder, "file"), "");
    await expect(run(person((lines) => lines), { printer: join(folder, "file") })).rejects.toMatchObject(refused("neither a device nor a pipe"));
    await expect(run(person((lines) => lines), { printer: join(folder, "none") })).rejects.toMatchObject({ code: "INPUT_INVALID" });
  });

  test("reads the identity back from a file once Enter is pressed", async () => {
    const path = join(folder, "stick.key");
    const somebody = person(() => []);
    const terminal: Terminal = { ...somebody.terminal, readLine: async () => (await writeFile(path, `${identityOf(somebody.shown())}\n`), "") };
    expect((await run({ terminal }, { from: path })).recipient).toBe(await identityToRecipient(identityOf(somebody.shown())));
    await expect(run(person(() => [""]), { from: path })).rejects.toMatchObject(refused("another identity"));
    await expect(run(person(() => [""]), { from: join(folder, "none") })).rejects.toMatchObject(refused("cannot be read"));
  });
});
