import type { Readable } from "node:stream";
import type { StoredPart } from "../model/manifest.ts";
import { PayloadDamage, PayloadOpener } from "./age-payload.ts";
import type { OpenHeader } from "./contract.ts";
import { openHead } from "./open-head.ts";
import { damaged, StoredBytesCheck } from "./stored-bytes.ts";

/**
 * Opens a small part on the calling thread. What it gives can be walked once: the decrypted payload, every chunk's tag
 * checked before it comes out, the whole object's size and hash at the end. Throws OBJECT_DAMAGED and as `openHead` does.
 */
export async function* openPart(part: StoredPart, source: Readable, openHeader: OpenHeader): AsyncGenerator<Buffer, void, undefined> {
  const check = new StoredBytesCheck(part);
  try {
    const head = await openHead(part, source, openHeader);
    const opener = new PayloadOpener(head.fileKey, head.nonce);
    check.update(head.read);
    yield* opener.update(head.read.subarray(head.payloadOffset));
    for await (const chunk of head.rest) {
      check.update(chunk);
      yield* opener.update(chunk);
    }
    check.finish();
    yield opener.finish();
  } catch (error) {
    throw error instanceof PayloadDamage ? damaged(part.name, payloadDamage(error, check, part), error) : error;
  } finally {
    source.destroy();
  }
}

export function payloadDamage(error: PayloadDamage, check: StoredBytesCheck, part: StoredPart): string {
  return `${error.message} (after ${check.sizeBytes} of ${part.sizeBytes} stored bytes)`;
}
