import type { Readable } from "node:stream";
import { isHoldfastError } from "../lib/errors.ts";
import type { StoredPart } from "../model/manifest.ts";
import { ChunkOpener, PayloadDamage, SEALED_CHUNK_BYTES } from "./age-payload.ts";
import type { OpenHeader } from "./contract.ts";
import { openHead, type OpenHead } from "./open-head.ts";

/**
 * Says where a sealed object whose hash is wrong was altered: in its age header, or in which encrypted chunks and so in
 * which stored bytes. Null when every chunk opens: then it is an object that was sealed whole, only not this one. What
 * `openHeader` throws for other reasons than a header that no key opens comes through.
 */
export async function locateDamage(part: Pick<StoredPart, "name" | "sizeBytes">, source: Readable, openHeader: OpenHeader): Promise<string | null> {
  try {
    const head = await openHead({ ...part, sha256: "", plainBytes: 0 }, source, openHeader);
    return await alteredChunks(head);
  } catch (error) {
    if (isHoldfastError(error, "OBJECT_DAMAGED") || isHoldfastError(error, "KEY_WRONG")) return "its age header is altered, or was made for other keys";
    throw error;
  } finally {
    source.destroy();
  }
}

/** Each chunk has a tag of its own: one that is altered does not hide what follows. */
async function alteredChunks(head: OpenHead): Promise<string | null> {
  const opener = new ChunkOpener(head.fileKey, head.nonce);
  const altered: number[] = [];
  let rest: Buffer = Buffer.from(head.read.subarray(head.payloadOffset));
  let number = 0;
  const look = (sealed: Buffer, isLast: boolean): void => {
    if (!opens(opener, sealed, number, isLast)) altered.push(number);
    number += 1;
  };
  for await (const chunk of head.rest) {
    rest = Buffer.concat([rest, chunk]);
    // A full chunk is opened only when a byte after it proves that it is not the last.
    for (; rest.byteLength > SEALED_CHUNK_BYTES; rest = rest.subarray(SEALED_CHUNK_BYTES)) look(rest.subarray(0, SEALED_CHUNK_BYTES), false);
  }
  for (; rest.byteLength > SEALED_CHUNK_BYTES; rest = rest.subarray(SEALED_CHUNK_BYTES)) look(rest.subarray(0, SEALED_CHUNK_BYTES), false);
  const endBytes = head.payloadOffset + number * SEALED_CHUNK_BYTES + rest.byteLength;
  look(rest, true);
  return altered.length === 0 ? null : inWords(altered, { payloadOffset: head.payloadOffset, endBytes, count: number });
}

function opens(opener: ChunkOpener, sealed: Buffer, number: number, isLast: boolean): boolean {
  try {
    opener.open(sealed, number, isLast);
    return true;
  } catch (error) {
    if (error instanceof PayloadDamage) return false;
    throw error;
  }
}

const SHOWN = 4;

function inWords(altered: readonly number[], payload: { payloadOffset: number; endBytes: number; count: number }): string {
  const { payloadOffset, endBytes, count } = payload;
  if (altered.length === count && count > 1) return `every one of its ${String(count)} encrypted chunks is altered, or they belong to another object`;
  const places = altered.slice(0, SHOWN).map((number) => {
    const start = payloadOffset + number * SEALED_CHUNK_BYTES;
    return `${String(number)} (stored bytes ${String(start)} to ${String(Math.min(start + SEALED_CHUNK_BYTES, endBytes) - 1)})`;
  });
  const more = altered.length > SHOWN ? ` and ${String(altered.length - SHOWN)} more` : "";
  return `encrypted chunk${altered.length === 1 ? "" : "s"} ${places.join(", ")}${more} of ${String(count)} ${altered.length === 1 ? "is" : "are"} altered`;
}
