import { constants, zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync, type ZstdOptions } from "node:zlib";
import { promisify } from "node:util";
import { SLACK_BYTES } from "../lib/give-back.ts";

/** Frames larger than this, plain or compressed, are refused when read: Holdfast writes far smaller ones, and memory stays bounded. */
export const FRAME_LIMIT_BYTES = 64 * 1024 * 1024;

const compressOnPool = promisify<Uint8Array, ZstdOptions, Buffer>(zstdCompress);
const decompressOnPool = promisify<Uint8Array, ZstdOptions, Buffer>(zstdDecompress);

/**
 * More than the largest zstd frame for so many plain bytes (ZSTD_COMPRESSBOUND), so that the result is one buffer; and
 * never so little that it would come from the pool of small buffers, which cannot be transferred.
 */
export function compressedBoundBytes(plainBytes: number): number {
  return plainBytes + Math.ceil(plainBytes / 128) + 64 * 1024;
}

function frameOptions(plain: Uint8Array, level: number): ZstdOptions {
  return {
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
    pledgedSrcSize: plain.byteLength,
    chunkSize: compressedBoundBytes(plain.byteLength),
  };
}

/** One zstd frame with content size and checksum; blocks the thread it runs on. The result owns its buffer. */
export function compressFrame(plain: Uint8Array, level: number): Buffer {
  return zstdCompressSync(plain, frameOptions(plain, level));
}

/** The same off the calling thread. */
export function compressFrameOnPool(plain: Uint8Array, level: number): Promise<Buffer> {
  return compressOnPool(plain, frameOptions(plain, level));
}

/** Decompresses exactly one whole frame off the calling thread; rejects with zlib's error when it is damaged. */
export function decompressFrame(frame: Uint8Array, plainBytesAtMost: number): Promise<Buffer> {
  return decompressOnPool(frame, decompressOptions(frame, plainBytesAtMost));
}

/** The same, blocking the thread it runs on; throws. The result owns its buffer. */
export function decompressFrameNow(frame: Uint8Array, plainBytesAtMost: number): Buffer {
  return zstdDecompressSync(frame, decompressOptions(frame, plainBytesAtMost));
}

function decompressOptions(frame: Uint8Array, plainBytesAtMost: number): ZstdOptions {
  const sizeBytes = Math.min(declaredPlainBytes(frame) ?? FRAME_LIMIT_BYTES, FRAME_LIMIT_BYTES);
  // A little more than the frame: an output that is full to its end makes zlib ask for a second one.
  const chunkSize = Math.min(Math.max(sizeBytes, 64 * 1024), 8 * 1024 * 1024) + SLACK_BYTES;
  return { chunkSize, maxOutputLength: Math.max(1, Math.min(plainBytesAtMost, FRAME_LIMIT_BYTES)) };
}

export const FRAME_MAGIC = 0xfd2fb528;

/** What the frame's descriptor byte says of the fields after it (RFC 8878, section 3.1.1.1.1). */
export function frameHeaderFields(descriptor: number): { windowBytes: number; dictionaryBytes: number; contentSizeBytes: number; hasChecksum: boolean } {
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const contentSizeFlag = descriptor >> 6;
  const contentSizeBytes = contentSizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << contentSizeFlag;
  return {
    windowBytes: isSingleSegment ? 0 : 1,
    dictionaryBytes: [0, 1, 2, 4][descriptor & 3] ?? 0,
    contentSizeBytes,
    hasChecksum: (descriptor & 4) !== 0,
  };
}

/** The plain size that the frame's header declares, if it does. */
function declaredPlainBytes(frame: Uint8Array): number | null {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, Math.min(frame.byteLength, 18));
  const fields = frameHeaderFields(bytes[4] ?? 0);
  const offset = 5 + fields.windowBytes + fields.dictionaryBytes;
  if (fields.contentSizeBytes === 0 || bytes.byteLength < offset + fields.contentSizeBytes) return null;
  if (fields.contentSizeBytes === 1) return bytes.readUInt8(offset);
  if (fields.contentSizeBytes === 2) return bytes.readUInt16LE(offset) + 256;
  return fields.contentSizeBytes === 4 ? bytes.readUInt32LE(offset) : Number(bytes.readBigUInt64LE(offset));
}
