import { createHash } from "node:crypto";
import { isHoldfastError } from "../lib/errors.ts";
import { HEADER_LIMIT_BYTES, headerLength } from "../model/pack-header.ts";
import type { Storage } from "../storage/storage.ts";

/** A header for a few recipients is far smaller; a longer one costs a second read. */
const HEAD_BYTES = 2048;

/**
 * SHA-256 of the age header that an object begins with, as it is stored now. Undefined when there is no such object or
 * no header in it: whoever reads the object finds out and says it better. Throws what the storage throws otherwise.
 */
export async function storedHeaderSha256(storage: Storage, { key, sizeBytes }: { key: string; sizeBytes: number }): Promise<string | undefined> {
  for (const wantBytes of [HEAD_BYTES, HEADER_LIMIT_BYTES]) {
    const head = await headOf(storage, key, Math.min(wantBytes, sizeBytes));
    const length = headerLength(head);
    if (length !== null) return createHash("sha256").update(head.subarray(0, length)).digest("hex");
    if (head.byteLength < wantBytes) return undefined;
  }
  return undefined;
}

async function headOf(storage: Storage, key: string, sizeBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of await storage.get(key, { range: { start: 0, end: sizeBytes } })) chunks.push(Buffer.from(chunk as Uint8Array));
    return Buffer.concat(chunks);
  } catch (error) {
    if (isHoldfastError(error, "OBJECT_NOT_FOUND")) return Buffer.alloc(0);
    // The object was cut: what is left of it tells all the same.
    const stored = isHoldfastError(error, "INPUT_INVALID") ? await storage.stat(key) : null;
    if (stored === null || stored.sizeBytes >= sizeBytes) throw error;
    return stored.sizeBytes === 0 ? Buffer.alloc(0) : headOf(storage, key, stored.sizeBytes);
  }
}
