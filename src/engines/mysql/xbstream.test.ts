import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chunkHead, payload } from "../../../test/fakes/xbstream.ts";
import { isHoldfastError } from "../../lib/errors.ts";
import type { IndexedFile } from "../../model/backup-index.ts";
import { inspectStream } from "./xbstream.ts";

function firstPage(spaceId: number): Buffer {
  const page = Buffer.alloc(64, 7);
  page.writeUInt32BE(0, 4);
  page.writeUInt16BE(8, 24);
  page.writeUInt32BE(spaceId, 34);
  return page;
}

const CHUNKS = [
  payload("ibdata1", firstPage(0)),
  payload("shop/t.ibd", firstPage(5)),
  payload("ibdata1", Buffer.from("more"), { offset: 64 }),
  chunkHead("E", "ibdata1"),
  payload("shop/t.ibd", Buffer.alloc(5000, 1), { offset: 64 }),
  chunkHead("E", "shop/t.ibd"),
  payload("shop/i.ibd.meta", Buffer.from("page_size = 16384\nspace_id = 12\n")),
  chunkHead("E", "shop/i.ibd.meta"),
  payload("shop/a.ren", Buffer.from("shop/b")),
  chunkHead("E", "shop/a.ren"),
  chunkHead("E", "shop/c.del"),
  payload("./shop/n.new", firstPage(0)),
  chunkHead("E", "./shop/n.new"),
];
const STREAM = Buffer.concat(CHUNKS);
const BORDERS = CHUNKS.reduce<number[]>((ends, chunk) => [...ends, (ends.at(-1) ?? 0) + chunk.length], [0]);

function inspected(bytes: Buffer, cuts: readonly number[] = []): IndexedFile[] {
  const inspector = inspectStream();
  let from = 0;
  for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
    inspector.write(bytes.subarray(from, cut));
    from = cut;
  }
  return inspector.end();
}

/** The offset at which the stream is refused; fails when it is not. */
function refusedAt(bytes: Buffer): number {
  try {
    inspected(bytes);
  } catch (error) {
    if (isHoldfastError(error, "STREAM_DAMAGED")) return error.details["offset"] as number;
    throw error;
  }
  throw new Error("the stream was accepted");
}

describe("the inspector of a backup stream", () => {
  it("gives each file's extents, space id and marker", () => {
    const files = inspected(STREAM);
    expect(files.map(({ path, sizeBytes, spaceId, marker }) => [path, sizeBytes, spaceId, marker])).toEqual([
      ["ibdata1", 68, 0, null],
      ["shop/t.ibd", 5064, 5, null],
      ["shop/i.ibd.meta", 32, 12, null],
      ["shop/a.ren", 6, null, "shop/b"],
      ["shop/c.del", 0, null, ""],
      ["shop/n.new", 64, null, null],
    ]);
    for (const file of files) for (const extent of file.extents) expect(crc32(STREAM.subarray(extent.streamOffset, extent.streamOffset + extent.lengthBytes))).toBe(extent.crc32);
    expect(files[0]?.extents.map((extent) => extent.fileOffset)).toEqual([0, 64]);
  });

  it("gives the same index however the bytes are cut into pieces", () => {
    const whole = inspected(STREAM);
    fc.assert(
      fc.property(fc.array(fc.nat(STREAM.length), { maxLength: 60 }), (cuts) => {
        expect(inspected(STREAM, cuts)).toEqual(whole);
      }),
    );
    expect(inspected(STREAM, [...STREAM.keys()])).toEqual(whole);
  });

  it("refuses a stream that is cut at or beside any border of a chunk", () => {
    const whole = new Set([STREAM.length]);
    // Between these ends every file that began has ended: a shorter stream there is whole, and other checks must notice.
    let open = new Set<string>();
    CHUNKS.forEach((chunk, index) => {
      const path = chunk.toString("utf8", 14, 14 + chunk.readUInt32LE(10));
      if (chunk[9] === 0x45) open = new Set([...open].filter((name) => name !== path));
      else open.add(path);
      if (open.size === 0) whole.add(BORDERS[index + 1] ?? 0);
    });
    for (const border of BORDERS) {
      for (const end of [border - 1, border, border + 1]) {
        if (end < 0 || end > STREAM.length || whole.has(end)) continue;
        expect(refusedAt(STREAM.subarray(0, end)), `cut at ${String(end)}`).toBeLessThanOrEqual(end);
      }
    }
    expect(whole.size).toBeLessThan(BORDERS.length);
  });

  it("refuses a stream cut at any offset inside a chunk", () => {
    fc.assert(
      fc.property(fc.nat(STREAM.length - 1), (end) => {
        fc.pre(!BORDERS.includes(end));
        expect(refusedAt(STREAM.subarray(0, end))).toBeLessThanOrEqual(end);
      }),
      { numRuns: 500 },
    );
  });

  it("refuses any single changed byte of data or of a chunk's magic", () => {
    const dataStart = 14 + "ibdata1".length + 20;
    for (const at of [0, 7, dataStart, dataStart + 63]) {
      const changed = Buffer.from(STREAM);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      expect(refusedAt(changed)).toBe(at < 8 ? 0 : dataStart);
    }
  });

  it.each(["/etc/passwd", "../x", "shop/../../x", "a\0b"])("refuses the path %j", (path) => {
    expect(refusedAt(Buffer.concat([chunkHead("E", path)]))).toBe(0);
  });

  it("refuses a chunk of an unknown type unless it is marked ignorable", () => {
    const strange = payload("x", Buffer.from("abc"), { type: "S" });
    expect(refusedAt(strange)).toBe(0);
    const ignorable = payload("x", Buffer.from("abc"), { type: "S", flags: 1 });
    expect(inspected(Buffer.concat([ignorable, chunkHead("E", "y")])).map((file) => file.path)).toEqual(["y"]);
  });

  it("refuses a chunk that does not follow on the one before it, and a file that comes again", () => {
    const gap = Buffer.concat([payload("t", Buffer.from("ab")), payload("t", Buffer.from("cd"), { offset: 3 }), chunkHead("E", "t")]);
    expect(refusedAt(gap)).toBe(BORDERS[0]! + 14 + 1 + 20 + 2);
    expect(refusedAt(Buffer.concat([chunkHead("E", "t"), chunkHead("E", "t")]))).toBe(15);
  });

  it("refuses an empty stream", () => {
    expect(refusedAt(Buffer.alloc(0))).toBe(0);
  });
});
