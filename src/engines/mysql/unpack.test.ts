import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, it } from "vitest";
import { chunkHead, payload } from "../../../test/fakes/xbstream.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { silentLog } from "../../lib/log.ts";
import type { EngineContext } from "../engine.ts";
import { unpack } from "./unpack.ts";

const NEVER = new AbortController().signal;
let dir: string;
let context: EngineContext;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-un-"));
  context = { instance: { id: "01J00000000000000000000000", name: "shop" }, connection: {}, scratchDir: dir, sandboxUser: undefined, log: silentLog };
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function extract(pieces: readonly Buffer[], target = join(dir, "d")): Promise<void> {
  return unpack(context, Readable.from(pieces, { objectMode: false }), target, NEVER);
}

it("writes interleaved files, in folders, each byte at its place, and empty ones too", async () => {
  const stream = Buffer.concat([payload("a", Buffer.from("one")), payload("x/y/b", Buffer.from("two")), payload("a", Buffer.from("four"), { offset: 3 }), chunkHead("E", "a"), chunkHead("E", "x/y/b"), chunkHead("E", "./x/none")]);
  for (const size of [1, 7, 64, stream.length]) {
    const target = join(dir, `d${String(size)}`);
    const pieces = Array.from({ length: Math.ceil(stream.length / size) }, (_, index) => Buffer.from(stream.subarray(index * size, (index + 1) * size)));
    await extract(pieces, target);
    expect(await readFile(join(target, "a"), "utf8")).toBe("onefour");
    expect(await readFile(join(target, "x/y/b"), "utf8")).toBe("two");
    expect((await stat(join(target, "x/none"))).size).toBe(0);
  }
});

it("gives the memory of the stream's pieces back", async () => {
  const piece = Buffer.concat([payload("a", Buffer.alloc(1_000_000, 7)), chunkHead("E", "a")]);
  await extract([piece]);
  expect(piece.byteLength).toBe(0);
  expect((await readFile(join(dir, "d/a"))).equals(Buffer.alloc(1_000_000, 7))).toBe(true);
});

it.each([
  ["a path that is a file and a folder", [payload("a", Buffer.from("1")), chunkHead("E", "a"), payload("a/b", Buffer.from("2")), chunkHead("E", "a/b")]],
  ["a path that leads out", [payload("../a", Buffer.from("1")), chunkHead("E", "../a")]],
  ["a file without an end", [payload("a", Buffer.from("1"))]],
  ["no stream at all", [Buffer.from("something else")]],
])("refuses %s as STREAM_DAMAGED", async (_what, pieces) => {
  await expect(extract(pieces)).rejects.toMatchObject({ code: "STREAM_DAMAGED" });
  expect(await readdir(dir)).toEqual(["d"]);
});

it("leaves no file open when a stream breaks off", async () => {
  const before = (await readdir("/proc/self/fd")).length;
  const breaks = Readable.from(
    (function* () {
      yield payload("a", Buffer.from("1"));
      throw new Error("gone");
    })(),
    { objectMode: false },
  );
  await expect(unpack(context, breaks, join(dir, "d"), NEVER)).rejects.toMatchObject({ code: "STREAM_DAMAGED" });
  expect((await readdir("/proc/self/fd")).length).toBeLessThanOrEqual(before);
});

it.each([
  ["its object is damaged", new HoldfastError("OBJECT_DAMAGED", "000000.zst.age is damaged."), "OBJECT_DAMAGED"],
  ["its key is missing", new HoldfastError("KEY_MISSING", "No identity opens it."), "KEY_MISSING"],
  ["the machine has no more file handles", Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" }), "STORAGE_FAILED"],
  ["a thread of ours died", new HoldfastError("INTERNAL", "The opener thread failed."), "INTERNAL"],
])("does not call a stream damaged that ends because %s", async (_why, error, code) => {
  const breaks = Readable.from(
    (function* () {
      yield payload("a", Buffer.from("1"));
      throw error;
    })(),
    { objectMode: false },
  );
  await expect(unpack(context, breaks, join(dir, "d"), NEVER)).rejects.toMatchObject({ code });
});
