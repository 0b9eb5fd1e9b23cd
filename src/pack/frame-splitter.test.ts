import { constants, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { halfRandom } from "../../test/fakes/packs.ts";
import { FrameSplitter } from "./frame-splitter.ts";
import { FRAME_LIMIT_BYTES } from "./zstd-frame.ts";

/** Frames of every shape: empty, tiny, run-length and raw blocks, several blocks, with and without checksum and size. */
const frames = [0, 1, 255, 256, 65_791, 65_792, 300_000].flatMap((sizeBytes) =>
  [halfRandom(sizeBytes), Buffer.alloc(sizeBytes)].flatMap((plain) =>
    [0, 1].map((checksum) =>
      zstdCompressSync(plain, {
        params: { [constants.ZSTD_c_checksumFlag]: checksum, [constants.ZSTD_c_contentSizeFlag]: checksum },
        ...(checksum === 1 ? { pledgedSrcSize: sizeBytes } : {}),
      }),
    ),
  ),
);

function split(bytes: Buffer, chunkBytes: number): Buffer[] {
  const splitter = new FrameSplitter();
  const found: Buffer[] = [];
  for (let offset = 0; offset < bytes.byteLength; offset += chunkBytes) found.push(...splitter.push(bytes.subarray(offset, offset + chunkBytes)));
  splitter.finish();
  return found;
}

describe("FrameSplitter", () => {
  test("finds the end of every frame, however the bytes come", () => {
    const some = fc.array(fc.constantFrom(...frames), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(some, fc.integer({ min: 1, max: 100_000 }), (chosen, chunkBytes) => {
        // A copy: the splitter gives back whole buffers that it was handed.
        expect(split(Buffer.from(Buffer.concat(chosen)), chunkBytes)).toEqual(chosen);
      }),
      { numRuns: 60 },
    );
  });

  test("a frame that is cut anywhere is refused at the end", () => {
    const whole = zstdCompressSync(halfRandom(3_000), { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
    for (let cut = 1; cut < whole.byteLength; cut += 7) expect(() => split(whole.subarray(0, whole.byteLength - cut), 64)).toThrow("cut short");
  });

  test("bytes that are no frame, and blocks of the reserved kind, are refused", () => {
    expect(() => split(Buffer.from("no zstd here"), 3)).toThrow("not a zstd frame");
    expect(() => split(Buffer.from("28b52ffd2000070000", "hex"), 3)).toThrow("reserved kind");
  });

  test("a frame that grows past the limit is refused before it is whole", () => {
    const splitter = new FrameSplitter();
    // Raw blocks without an end: header, then blocks of 128 KiB.
    expect([...splitter.push(Buffer.from("28b52ffd0058", "hex"))]).toEqual([]);
    const block = Buffer.alloc(3 + 131_072);
    block.writeUIntLE(131_072 << 3, 0, 3);
    expect(() => {
      for (let sentBytes = 0; sentBytes <= FRAME_LIMIT_BYTES; sentBytes += block.byteLength) expect([...splitter.push(Buffer.from(block))]).toEqual([]);
    }).toThrow("more than");
  });
});
