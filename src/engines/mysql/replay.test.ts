import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { describeUnless } from "../../../test/skip.ts";
import { checkFault } from "./check-tables.ts";
import { linkOrCopy, requireJoined } from "./replay.ts";

const place = (file: string, position: number): { file: string; position: number } => ({ file, position });
const FILES = ["/l/b.000008", "/l/b.000009", "/l/b.000010"];

describe("log files for a replay", () => {
  it("join when they are those from start to stop", () => {
    expect(() => requireJoined(FILES, place("b.000008", 700), place("b.000010", 4))).not.toThrow();
  });

  it.each([
    [[FILES[0] ?? "", FILES[2] ?? ""], "jumps from b.000008 to b.000010"],
    [FILES.slice(1), "first log file at hand is b.000009"],
    [FILES.slice(0, 2), "last log file at hand is b.000009"],
    [[], "none"],
  ])("are refused when one is missing", (files, words) => {
    expect(() => {
      requireJoined(files, place("b.000008", 700), place("b.000010", 4));
    }).toThrow(expect.objectContaining({ code: "GAP", message: expect.stringContaining(words) as string }));
  });

  it("are refused when the stop lies before the start", () => {
    expect(() => {
      requireJoined(["/l/b.000008"], place("b.000008", 700), place("b.000008", 699));
    }).toThrow("cannot go back");
  });
});

describe("an answer of CHECK TABLE", () => {
  const row = (type: string, text: string): Record<string, string> => ({ Msg_type: type, Msg_text: text });

  it("is good when it ends with OK or with a note alone", () => {
    expect(checkFault([row("status", "OK")])).toBeNull();
    expect(checkFault([row("warning", "1 client is using the table"), row("status", "OK")])).toBeNull();
    expect(checkFault([row("note", "The storage engine for the table doesn't support check")])).toBeNull();
  });

  it("is a fault when it holds an error, does not end well, or is empty", () => {
    expect(checkFault([row("Error", "Table 'x' is gone"), row("status", "Operation failed")])).toBe("Table 'x' is gone; Operation failed");
    expect(checkFault([row("error", "Corrupt"), row("status", "OK")])).toBe("Corrupt; OK");
    expect(checkFault([row("Warning", "Index PRIMARY is corrupted"), row("status", "Corrupt")])).toContain("PRIMARY");
    expect(checkFault([])).toBe("CHECK TABLE gave no answer");
  });
});

const MEMORY = "/dev/shm";
const hasTwoFileSystems = (await stat(MEMORY).catch(() => null))?.dev !== (await stat(tmpdir())).dev;

describeUnless(hasTwoFileSystems ? undefined : "there is no second file system here", "a log file that is handed to a server", () => {
  let near: string;
  let far: string;
  beforeEach(async () => {
    near = await mkdtemp(join(tmpdir(), "hf-rep-"));
    far = await mkdtemp(join(MEMORY, "hf-rep-"));
    await writeFile(join(near, "log"), "events");
  });
  afterEach(async () => {
    for (const dir of [near, far]) await rm(dir, { recursive: true, force: true });
  });

  it("is linked on its own file system and copied to another one", async () => {
    for (const dir of [near, far]) await linkOrCopy(join(near, "log"), join(dir, "relay"));
    expect((await stat(join(near, "relay"))).ino).toBe((await stat(join(near, "log"))).ino);
    expect(await readFile(join(far, "relay"), "utf8")).toBe("events");
  });

  it("is refused where the name is taken, on either", async () => {
    for (const dir of [near, far]) {
      await writeFile(join(dir, "relay"), "other");
      await expect(linkOrCopy(join(near, "log"), join(dir, "relay"))).rejects.toMatchObject({ code: "EEXIST" });
      expect(await readFile(join(dir, "relay"), "utf8")).toBe("other");
    }
  });
});
