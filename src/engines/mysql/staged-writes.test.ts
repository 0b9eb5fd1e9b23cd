import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openPastCacheSync } from "../../lib/past-cache.ts";
import { type StagedFile, StagedWrites } from "./staged-writes.ts";

const KIB = 1024;
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** Writes files by turns, `runs[n]` bytes of the file whose turn it is; whether each holds its bytes then. */
function writeByTurns(contents: readonly Buffer[], runs: readonly number[], pieceBytes: number, openDirect = openPastCacheSync): void {
  const writes = new StagedWrites(openDirect);
  const files = contents.map((content, number) => ({ content, path: join(dir, String(number)), target: { file: openSync(join(dir, String(number)), "wx") }, done: 0 }));
  for (let turn = 0; files.some(({ content, done }) => done < content.byteLength); turn += 1) {
    const file = files[turn % files.length]!;
    const end = Math.min(file.content.byteLength, file.done + (runs[turn % runs.length] ?? 1));
    for (; file.done < end; file.done += Math.min(pieceBytes, end - file.done)) writes.write(file.target, file.content.subarray(file.done, Math.min(end, file.done + pieceBytes)), file.done);
  }
  for (const { target } of files) writes.end(target);
  writes.release();
  for (const { path, content } of files) expect(readFileSync(path).equals(content)).toBe(true);
  for (const { path } of files) rmSync(path);
}

const contents = [5_000_017, 3 * 1024 * KIB, 100, 700 * KIB, 1].map((sizeBytes) => randomBytes(sizeBytes));

test.each([
  ["runs of whole pages", [2_048 * KIB, 512 * KIB, 64 * KIB]],
  ["runs of any size", [1_300_001, 77, 900_000, 262_143]],
  ["one run each", [10_000_000]],
])("files written by turns in %s hold their bytes", (_what, runs) => {
  for (const pieceBytes of [256 * KIB, 99_991]) writeByTurns(contents, runs, pieceBytes);
});

test("bytes with a gap before them stand at their own place", () => {
  const path = join(dir, "gap");
  const writes = new StagedWrites();
  const target: StagedFile = { file: openSync(path, "wx") };
  const [first, second] = [randomBytes(300 * KIB), randomBytes(2_000 * KIB)];
  writes.write(target, first, 0);
  writes.write(target, second, 1_000_000);
  writes.end(target);
  writes.release();
  expect(readFileSync(path).equals(Buffer.concat([first, Buffer.alloc(1_000_000 - first.byteLength), second]))).toBe(true);
});

test("where the cache cannot be passed, it is used", () => {
  let asked = 0;
  writeByTurns(contents, [1_024 * KIB], 256 * KIB, () => {
    asked += 1;
    return null;
  });
  // Once for each file that is large enough to ask for.
  expect(asked).toBe(3);
});

test("a disk that cannot take it is told of, and the file can be closed", () => {
  // A device that is full for ever (full(4)).
  const writes = new StagedWrites();
  const target: StagedFile = { file: openSync("/dev/full", "w") };
  expect(() => {
    writes.write(target, randomBytes(1_024 * KIB), 0);
  }).toThrow("ENOSPC");
  writes.close(target);
  writes.release();
  expect(() => {
    closeSync(target.file);
  }).toThrow("EBADF");
});
