import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkReleaseLog, openReleaseLog, type ReleaseLog, type SeenEntry } from "./release-log.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hf-rl-"));
  path = join(folder, "releases.jsonl");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = (seen?: SeenEntry): Promise<ReleaseLog> => openReleaseLog(path, { now: () => "2026-01-01T00:00:00.000Z", seen });
const lines = async (): Promise<string[]> => (await readFile(path, "utf8")).split("\n").slice(0, -1);

async function filled(count: number): Promise<void> {
  const log = await open();
  for (let number = 1; number <= count; number += 1) await log.append({ event: "released", key: `k${String(number)}` });
  await log.close();
}

describe("a log of releases", () => {
  test("numbers its entries and goes on where it ended", async () => {
    await filled(2);
    const log = await open();
    await Promise.all([log.append({ event: "refused" }), log.append({ event: "released" })]);
    expect(log.head.number).toBe(4);
    await log.close();
    expect((await lines()).map((line) => (JSON.parse(line) as { number: number }).number)).toEqual([1, 2, 3, 4]);
    expect(await checkReleaseLog(path)).toEqual(log.head);
  });

  test("is readable by its owner alone", async () => {
    await filled(1);
    const { mode } = await (await import("node:fs/promises")).stat(path);
    expect(mode & 0o777).toBe(0o600);
  });

  test.each<[string, (all: string[]) => string[], number]>([
    ["an altered entry", ([a = "", b = "", c = ""]) => [a, b.replace("k2", "k9"), c], 3],
    ["an altered entry whose number is no number", ([a = "", b = "", c = ""]) => [a, b.replace('"number":2', '"number":"2"'), c], 2],
    ["an entry that was taken away", ([a = "", , c = ""]) => [a, c], 2],
    ["the first entry taken away", ([, b = "", c = ""]) => [b, c], 1],
    ["entries exchanged", ([a = "", b = "", c = ""]) => [a, c, b], 2],
    ["an entry twice", ([a = "", b = "", c = ""]) => [a, b, b, c], 3],
    ["a line that says nothing put in", ([a = "", b = "", c = ""]) => [a, b, "nothing", c], 3],
    ["an empty line put in", ([a = "", b = "", c = ""]) => [a, b, "", c], 3],
    ["a line at the end that nothing follows", ([a = "", b = "", c = ""]) => [a, b, c, "nothing"], 4],
  ])("with %s is refused, and is not added to", async (_what, change, entry) => {
    await filled(3);
    const changed = `${change(await lines()).join("\n")}\n`;
    await writeFile(path, changed);
    const broken = { code: "RECORD_BROKEN", message: expect.stringContaining(`at entry ${String(entry)}:`) as string };
    await expect(open()).rejects.toMatchObject(broken);
    await expect(checkReleaseLog(path)).rejects.toMatchObject(broken);
    expect(await readFile(path, "utf8")).toBe(changed);
  });

  test("that lost its last entries, or was replaced, is refused by what was seen of it", async () => {
    await filled(3);
    const seen = await checkReleaseLog(path);
    const all = await lines();
    await writeFile(path, `${all.slice(0, 2).join("\n")}\n`);
    await expect(open(seen)).rejects.toMatchObject({ code: "RECORD_BROKEN", message: expect.stringContaining("ends at entry 2, and had 3 already") as string });
    await expect(checkReleaseLog(path, seen.sha256)).rejects.toMatchObject({ code: "RECORD_BROKEN" });
    await rm(path);
    await filled(2);
    const log = await open();
    await log.append({ event: "released", key: "another" });
    await log.close();
    await expect(open(seen)).rejects.toMatchObject({ code: "RECORD_BROKEN" });
  });

  test("goes on behind a line that was cut short, and says so", async () => {
    await filled(2);
    const seen = await checkReleaseLog(path);
    await appendFile(path, '{"number":3,"at":"2026');
    const log = await open(seen);
    await log.append({ event: "released" });
    await log.close();
    const all = await lines();
    expect(all.slice(2).map((line) => line.slice(0, 22))).toEqual(['{"number":3,"at":"2026', '{"number":3,"at":"2026', '{"number":4,"at":"2026']);
    expect(JSON.parse(all[3] ?? "")).toMatchObject({ event: "cut", bytes: 22 });
    expect((await checkReleaseLog(path)).number).toBe(4);
    await writeFile(path, (await readFile(path, "utf8")).replace('"at":"2026\n', '"at":"2027\n'));
    await expect(checkReleaseLog(path)).rejects.toMatchObject({ code: "RECORD_BROKEN" });
  });

  test("takes a last line as it is when only its line feed is missing", async () => {
    await filled(3);
    await writeFile(path, (await readFile(path, "utf8")).slice(0, -1));
    const log = await open();
    expect(log.head.number).toBe(3);
    await log.append({ event: "released" });
    await log.close();
    expect((await checkReleaseLog(path)).number).toBe(4);
  });
});
