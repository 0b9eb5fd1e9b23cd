import { zstdCompressSync, constants } from "node:zlib";

/**
 * Level for frames that nothing can be gained on: zstd looks at few of their places and stores their blocks as they are.
 * The result is an ordinary frame with its checksum.
 */
export const STORE_LEVEL = -7;

const SAMPLES = 16;
const SAMPLE_BYTES = 4 * 1024;
/** Smaller frames cost little either way. */
const SMALLEST_FRAME_BYTES = 8 * SAMPLES * SAMPLE_BYTES;
/** Of InnoDB. At one place of a page stand rows, or emptiness, in all pages alike: the pieces shift, so that together they meet each place. */
const PAGE_BYTES = 16 * 1024;
/** Of the sample; a search that saves less than this is not worth its time: the loss is bounded by it. */
const WORTH_SHARE = 0.99;
/** What shrinks to less without any search is not noise: no second look is needed. */
const MOSTLY_NOISE_SHARE = 0.7;
const sample = Buffer.allocUnsafeSlow(SAMPLES * SAMPLE_BYTES);

function sampleBytesAt(level: number): number {
  const { buffer, byteLength } = zstdCompressSync(sample, { params: { [constants.ZSTD_c_compressionLevel]: level }, chunkSize: 2 * sample.byteLength });
  // Left to the garbage collector, which has little to do on a thread that compresses, these grew by 30 MiB within a minute.
  buffer.transfer(0);
  return byteLength;
}

/**
 * True when a search gains nothing on pieces from all over the frame (64 KiB in all): pictures, encrypted columns, tables
 * that InnoDB has compressed. To search them for repetitions costs half as much time as text does, for nothing. The empty
 * ends of a table's pages compress at any level, so what counts is the difference between two levels, not that from the plain bytes.
 */
export function isIncompressible(plain: Uint8Array): boolean {
  if (plain.byteLength < SMALLEST_FRAME_BYTES) return false;
  const pagesApart = Math.floor((plain.byteLength - PAGE_BYTES - SAMPLE_BYTES) / (SAMPLES - 1) / PAGE_BYTES);
  const stepBytes = pagesApart * PAGE_BYTES + PAGE_BYTES / SAMPLES;
  for (let piece = 0; piece < SAMPLES; piece += 1) {
    const start = piece * stepBytes;
    sample.set(plain.subarray(start, start + SAMPLE_BYTES), piece * SAMPLE_BYTES);
  }
  const unsearchedBytes = sampleBytesAt(STORE_LEVEL);
  return unsearchedBytes > MOSTLY_NOISE_SHARE * sample.byteLength && sampleBytesAt(1) > WORTH_SHARE * unsearchedBytes;
}
