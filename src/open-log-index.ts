import type { OpenLogIndex } from "./control/plan-restore.ts";
import { type ControlPorts, storageOf } from "./control/ports.ts";
import { headerOpener } from "./keys/open-header.ts";
import { HoldfastError } from "./lib/errors.ts";
import { type LogGroupIndex, logGroupIndexSchema } from "./model/log-groups.ts";
import { openBytes } from "./pack/seal.ts";

/** Reads lists of transaction groups with the server's own metadata identity: it opens indexes, never data. */
export function logIndexOpener(ports: Pick<ControlPorts, "storages">, metadataIdentity: string): OpenLogIndex {
  const openHeader = headerOpener([metadataIdentity]);
  return async ({ repository, prefix, segment }) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of await storageOf(ports, repository).get(`${prefix}${segment.index.name}`)) chunks.push(chunk as Uint8Array);
    const plain = await openBytes(segment.index, Buffer.concat(chunks), openHeader);
    return readIndex(segment.segmentId, plain);
  };
}

function readIndex(segmentId: string, plain: Uint8Array): LogGroupIndex {
  const parsed = logGroupIndexSchema.safeParse(JSON.parse(Buffer.from(plain).toString("utf8")));
  if (parsed.success) return parsed.data;
  throw new HoldfastError("FORMAT_INVALID", `The list of groups of log piece ${segmentId} is not one that this version can read.`, { cause: parsed.error });
}
