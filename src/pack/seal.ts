import { Readable } from "node:stream";
import type { StoredPart } from "../model/manifest.ts";
import { makeHeader } from "./age-header.ts";
import type { OpenHeader, SealBytes } from "./contract.ts";
import { openPart } from "./open-part.ts";
import { PackBuilder } from "./pack-builder.ts";
import { exactMemory } from "./pack-memory.ts";
import { plainFrames } from "./plain-frames.ts";
import { compressFrameOnPool } from "./zstd-frame.ts";

const FRAME_BYTES = 4 * 1024 * 1024;

/** Seals a small document or log piece as one pack in memory, in the same form as every other pack. Throws RECIPIENT_INVALID. */
export const sealBytes: SealBytes = async (plain, { name, recipients, compressionLevel }) => {
  const builder = new PackBuilder(await makeHeader(recipients), exactMemory());
  let streamOffset = 0;
  do {
    const piece = plain.subarray(streamOffset, streamOffset + FRAME_BYTES);
    const frame = await compressFrameOnPool(piece, compressionLevel);
    builder.add(frame, { streamOffset, plainBytes: piece.byteLength });
    streamOffset += FRAME_BYTES;
  } while (streamOffset < plain.byteLength);
  const { chunks, sizeBytes, sha256, plainBytes } = builder.finish();
  return { part: { name, sizeBytes, sha256, plainBytes }, chunks };
};

/**
 * Opens what `sealBytes` made: checks size, hash, tags and checksums. Throws OBJECT_DAMAGED naming the part and what
 * differs; KEY_WRONG when the bytes are right and the key is not.
 */
export async function openBytes(part: StoredPart, storedBytes: Uint8Array, openHeader: OpenHeader): Promise<Uint8Array> {
  const payload = openPart(part, Readable.from([storedBytes], { objectMode: false }), openHeader);
  const frames: Buffer[] = [];
  for await (const frame of plainFrames(part, payload)) frames.push(frame);
  return Buffer.concat(frames);
}
