import { zstdCompressSync, constants } from "node:zlib";

/**
 * Level for frames that nothing can be gained on: zstd looks at few of their places and stores their blocks as they are.
 * The result is an ordinary frame with its checksum.
 */
export const STORE_LEVEL = -7;

const SAMPLES = 16;
const SAMPLE_BYTES = 8 * 1024;
/** Smaller frames cost little either way. */
const SMALLEST_FRAME_BYTES = 4 * SAMPLES * SAMPLE_BYTES;
/** Of the sample; what compresses less than this is not worth a search: the loss is bounded by it. */
const WORTH_SHARE = 0.98;
const sample = Buffer.allocUnsafeSlow(SAMPLES * SAMPLE_BYTES);
const LEVEL_1 = { params: { [constants.ZSTD_c_compressionLevel]: 1 }, chunkSize: 2 * sample.byteLength };

/**
 * True when pieces from all over the frame (an eighth of a MiB in all) do not compress: pictures, encrypted columns,
 * tables that InnoDB has compressed. To search them for repetitions costs as much time as text does, for nothing.
 */
export function isIncompressible(plain: Uint8Array): boolean {
  if (plain.byteLength < SMALLEST_FRAME_BYTES) return false;
  const stepBytes = Math.floor(plain.byteLength / SAMPLES);
  for (let piece = 0; piece < SAMPLES; piece += 1) {
    sample.set(plain.subarray(piece * stepBytes, piece * stepBytes + SAMPLE_BYTES), piece * SAMPLE_BYTES);
  }
  return zstdCompressSync(sample, LEVEL_1).byteLength > WORTH_SHARE * sample.byteLength;
}
