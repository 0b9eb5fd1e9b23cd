import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { forwardClock } from "../lib/forward-clock.ts";
import { readMark, writeMark } from "./clock-mark.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "hf-cm-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("a clock that is set back goes on, and one that is set forward stays there", () => {
  const time = { wall: 1_000_000, monotonic: 50 };
  const clock = forwardClock({ nowMs: () => time.wall, monotonicMs: () => time.monotonic }, 0);
  time.wall -= 500_000;
  time.monotonic += 3_000;
  expect(clock.nowMs()).toBe(1_003_000);
  time.wall = 2_000_000;
  expect(clock.nowMs()).toBe(2_000_000);
  time.wall = 1_500_000;
  expect(clock.nowMs()).toBe(2_000_000);
});

test("a clock begins no earlier than what was reached before", () => {
  const clock = forwardClock({ nowMs: () => 5, monotonicMs: () => 0 }, 1_000);
  expect(clock.nowMs()).toBe(1_000);
});

test("a mark is read as it was written, and what is none is refused", async () => {
  const path = join(folder, "mark.json");
  expect(await readMark(path)).toBeNull();
  const mark = { until: "2026-01-01T00:00:00.000Z", number: 3, sha256: "0".repeat(64) };
  await writeMark(path, mark);
  expect(await readMark(path)).toEqual(mark);
  await writeFile(path, "{}");
  await expect(readMark(path)).rejects.toMatchObject({ code: "RECORD_BROKEN" });
});
