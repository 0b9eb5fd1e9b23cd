import type { OpenLogIndex } from "./control/plan-restore.ts";
import { type ControlPorts, storageOf } from "./control/ports.ts";
import { headerOpener } from "./keys/open-header.ts";
import { HoldfastError } from "./lib/errors.ts";
import { jsonOrUndefined } from "./lib/json-or-undefined.ts";
import { type LogGroupIndex, logGroupIndexSchema } from "./model/log-groups.ts";
import type { LogSegment } from "./model/manifest.ts";
import { openBytes } from "./pack/seal.ts";

/** Reads lists of transaction groups with the server's own metadata identity: it opens indexes, never data. */
export function logIndexOpener(ports: Pick<ControlPorts, "storages">, metadataIdentity: string): OpenLogIndex {
  const openHeader = headerOpener([metadataIdentity]);
  return async ({ repository, prefix, segment }) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of await storageOf(ports, repository).get(`${prefix}${segment.index.name}`)) chunks.push(chunk as Uint8Array);
    const plain = await openBytes(segment.index, Buffer.concat(chunks), openHeader);
    return readIndex(segment, plain);
  };
}

function readIndex(segment: LogSegment, plain: Uint8Array): LogGroupIndex {
  const parsed = logGroupIndexSchema.safeParse(jsonOrUndefined(Buffer.from(plain).toString("utf8")));
  if (!parsed.success) throw new HoldfastError("FORMAT_INVALID", `The list of groups of log piece ${segment.segmentId} is not one that this version can read.`, { cause: parsed.error });
  const fault = disagreement(segment, parsed.data);
  if (fault !== null) throw new HoldfastError("FORMAT_INVALID", `The list of groups of log piece ${segment.segmentId} is not of that piece: ${fault}.`);
  return parsed.data;
}

/** What the list says otherwise than the piece's signed document; null when they fit each other. */
function disagreement({ file, startPosition, endPosition, groupCount }: LogSegment, index: LogGroupIndex): string | null {
  if (index.file !== file) return `it is of ${index.file}, the piece of ${file}`;
  if (index.groups.length !== groupCount) return `it has ${String(index.groups.length)} groups, the piece ${String(groupCount)}`;
  const outside = index.groups.find(({ start, end }) => start < startPosition || end > endPosition || end <= start);
  return outside === undefined ? null : `${outside.gtid} lies from ${String(outside.start)} to ${String(outside.end)}, the piece from ${String(startPosition)} to ${String(endPosition)}`;
}
