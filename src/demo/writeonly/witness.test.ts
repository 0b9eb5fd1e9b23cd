import { expect, test } from "vitest";
import { type Kept, lost } from "./witness.ts";

const pack: Kept = { repository: "bucket", key: "i/backups/b/000000.zst.age", sizeBytes: 3, sha256: "a".repeat(64), versionId: "v1", lockedUntil: "2026-11-23T00:00:00.000Z" };
const file: Kept = { ...pack, repository: "directory", versionId: null, lockedUntil: null };

test("nothing is lost where all is as it was, or locked for longer, or more is there", () => {
  expect(lost([pack, file], [file, { ...pack, lockedUntil: "2026-12-01T00:00:00.000Z" }, { ...pack, versionId: "v2", sizeBytes: 9 }])).toEqual([]);
});

test.each<[string, Kept[]]>([
  ["bucket: i/backups/b/000000.zst.age is gone", []],
  ["bucket: i/backups/b/000000.zst.age is gone", [file]],
  ["bucket: i/backups/b/000000.zst.age is gone", [{ ...pack, versionId: "v2" }]],
  ["bucket: i/backups/b/000000.zst.age has another content", [{ ...pack, sha256: "b".repeat(64) }]],
  ["bucket: i/backups/b/000000.zst.age has another content", [{ ...pack, sizeBytes: 0 }]],
  ["bucket: i/backups/b/000000.zst.age is locked for less", [{ ...pack, lockedUntil: "2026-11-22T00:00:00.000Z" }]],
  ["bucket: i/backups/b/000000.zst.age is locked for less", [{ ...pack, lockedUntil: null }]],
])("%s", (sentence, after) => {
  expect(lost([pack], after)).toEqual([sentence]);
});
