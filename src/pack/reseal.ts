import type { Readable } from "node:stream";
import type { StoredPart } from "../model/manifest.ts";
import { makeHeader } from "./age-header.ts";
import type { OpenHeader } from "./contract.ts";
import { openPart } from "./open-part.ts";
import { PackBuilder } from "./pack-builder.ts";
import { exactMemory } from "./pack-memory.ts";

/**
 * Seals a stored part anew to other recipients, under a file key that nobody has seen: whoever had the old key cannot open
 * it. Its zstd frames stay byte for byte, and with them every place that the backup's index names. The part is held in
 * memory. Throws OBJECT_DAMAGED before there is anything to store when the source is not what its manifest says, KEY_WRONG,
 * and RECIPIENT_INVALID.
 */
export async function resealPart(
  part: StoredPart,
  { fetch, recipients, openHeader }: { fetch: (part: StoredPart) => Promise<Readable>; recipients: readonly string[]; openHeader: OpenHeader },
): Promise<{ part: StoredPart; chunks: readonly Uint8Array[] }> {
  const builder = new PackBuilder(await makeHeader(recipients), exactMemory());
  for await (const payload of openPart(part, await fetch(part), openHeader)) builder.append(payload);
  const { chunks, sizeBytes, sha256 } = builder.finish();
  return { part: { name: part.name, sizeBytes, sha256, plainBytes: part.plainBytes }, chunks };
}
