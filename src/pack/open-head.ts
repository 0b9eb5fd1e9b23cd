import type { Readable } from "node:stream";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { giveBack, handsOverChunks } from "../lib/give-back.ts";
import type { StoredPart } from "../model/manifest.ts";
import { HEADER_LIMIT_BYTES, headerLength } from "../model/pack-header.ts";
import { PAYLOAD_NONCE_BYTES } from "./age-payload.ts";
import type { OpenHeader } from "./contract.ts";
import { damaged, StoredBytesCheck } from "./stored-bytes.ts";

/** A part whose file key is known; nothing of its payload was looked at yet. */
export interface OpenHead {
  readonly fileKey: Uint8Array;
  readonly nonce: Uint8Array;
  /** All that was read so far: the header, the nonce and the payload's beginning. */
  readonly read: Buffer;
  /** Where the payload begins in `read`. */
  readonly payloadOffset: number;
  /** The stored bytes that follow; a chunk is valid until the next one is asked for. Throws STORAGE_FAILED naming the part when they break off. */
  readonly rest: AsyncGenerator<Buffer, void, undefined>;
  /** The chunks of `rest` belong to their reader, who may hand their memory on. */
  readonly isRestOurs: boolean;
}

/** Reads the header of a part and has it opened. Throws OBJECT_DAMAGED, KEY_WRONG, and what `openHeader` throws. */
export async function openHead(part: StoredPart, source: Readable, openHeader: OpenHeader): Promise<OpenHead> {
  const chunks = storedChunks(part, source);
  const { read, headerBytes } = await readHead(part, chunks);
  const payloadOffset = headerBytes + PAYLOAD_NONCE_BYTES;
  try {
    const fileKey = await openHeader(part.name, read.subarray(0, headerBytes));
    return { fileKey, nonce: read.subarray(headerBytes, payloadOffset), read, payloadOffset, rest: chunks, isRestOurs: handsOverChunks(source) };
  } catch (error) {
    if (isHoldfastError(error, "KEY_WRONG")) await requireUnaltered(part, read, chunks);
    throw error;
  }
}

async function readHead(part: StoredPart, chunks: AsyncGenerator<Buffer>): Promise<{ read: Buffer; headerBytes: number }> {
  let read: Buffer = Buffer.alloc(0);
  for (;;) {
    const headerBytes = headerLength(read);
    if (headerBytes !== null && read.byteLength >= headerBytes + PAYLOAD_NONCE_BYTES) return { read, headerBytes };
    if (headerBytes === null && read.byteLength > HEADER_LIMIT_BYTES) throw damaged(part.name, "it does not begin with an age header");
    const next = await chunks.next();
    if (next.done === true) throw damaged(part.name, "it ends inside its age header");
    read = Buffer.concat([read, next.value]);
  }
}

/** An altered header looks like one for somebody else's key: only the hash of the whole object can tell the two apart. */
async function requireUnaltered(part: StoredPart, read: Buffer, chunks: AsyncGenerator<Buffer>): Promise<void> {
  const check = new StoredBytesCheck(part);
  check.update(read);
  for await (const chunk of chunks) check.update(chunk);
  check.finish();
}

async function* storedChunks(part: StoredPart, source: Readable): AsyncGenerator<Buffer, void, undefined> {
  const isOurs = handsOverChunks(source);
  try {
    for await (const chunk of source) {
      const bytes = chunk as Uint8Array;
      yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (isOurs) giveBack(bytes);
    }
  } catch (error) {
    if (error instanceof HoldfastError || !(error instanceof Error)) throw error;
    throw new HoldfastError("STORAGE_FAILED", `${part.name} could not be read to its end: ${error.message}`, { cause: error });
  }
}
