import { randomBytes } from "node:crypto";
import { zstdDecompressSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { halfRandom } from "../../test/fakes/packs.ts";
import { isIncompressible, STORE_LEVEL } from "./incompressible.ts";
import { compressFrame } from "./zstd-frame.ts";

const MIB = 1024 * 1024;
const PAGE_BYTES = 16 * 1024;
const text = (sizeBytes: number): Buffer => Buffer.alloc(sizeBytes, "the quick brown fox jumps over the lazy dog; ");

/** Pages of a table whose rows are noise: the end of each page is empty. */
const noisyPages = (sizeBytes: number): Buffer => Buffer.concat(Array.from({ length: sizeBytes / PAGE_BYTES }, () => Buffer.concat([randomBytes(0.82 * PAGE_BYTES), Buffer.alloc(PAGE_BYTES)]).subarray(0, PAGE_BYTES)));

describe("isIncompressible", () => {
  it.each([
    ["random bytes", randomBytes(4 * MIB), true],
    ["pages of random bytes with empty ends", noisyPages(4 * MIB), true],
    ["text", text(4 * MIB), false],
    ["rows of which half is random", halfRandom(4 * MIB), false],
    ["text behind a random half", Buffer.concat([randomBytes(2 * MIB), text(2 * MIB)]), false],
    ["text before a random half", Buffer.concat([text(2 * MIB), randomBytes(2 * MIB)]), false],
    ["a small frame, where nothing is to be won", randomBytes(MIB / 4), false],
  ])("of %s", (_what, plain, expected) => {
    expect(isIncompressible(plain)).toBe(expected);
  });

  it("gives back what it looked with, without waiting for the garbage collector", () => {
    const plain = randomBytes(MIB);
    isIncompressible(plain);
    const beforeBytes = process.memoryUsage().arrayBuffers;
    for (let time = 0; time < 64; time += 1) isIncompressible(plain);
    expect(process.memoryUsage().arrayBuffers - beforeBytes).toBeLessThan(MIB);
  });

  it("keeps the frame ordinary and hardly larger than it would be", () => {
    const plain = randomBytes(MIB);
    const stored = compressFrame(plain, STORE_LEVEL);
    expect(zstdDecompressSync(stored).equals(plain)).toBe(true);
    expect(stored.byteLength).toBeLessThan(1.001 * compressFrame(plain, 3).byteLength);
    // The content checksum is there: a flipped bit is found.
    stored[stored.byteLength >> 1]! ^= 1;
    expect(() => zstdDecompressSync(stored)).toThrow(/checksum/i);
  });
});
