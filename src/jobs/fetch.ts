import type { Readable } from "node:stream";
import { HoldfastError } from "../lib/errors.ts";
import type { BackupRef } from "../model/backup.ts";
import { backupIndexSchema, type BackupIndex } from "../model/backup-index.ts";
import type { StoredPart } from "../model/manifest.ts";
import { readPacks } from "../pack/read.ts";
import { openBytes } from "../pack/seal.ts";
import type { JobPorts } from "./ports.ts";
import { ProgressMeter } from "./progress-meter.ts";

/** The plain stream of a backup: fetched, checked against every hash, opened and decompressed. */
export function fetchStream(ports: JobPorts, backup: BackupRef): Readable {
  const meter = new ProgressMeter(ports, backup.streamBytes);
  return readPacks({
    parts: backup.packs,
    fetch: (part) => ports.get(`${backup.prefix}${part.name}`),
    openHeader: (name, header) => ports.openHeader(`${backup.prefix}${name}`, header),
    onProgress: ({ plainBytes, storedBytes }) => {
      meter.update(`fetching ${backup.kind}`, plainBytes, storedBytes);
    },
    signal: ports.signal,
  });
}

/** Fetches and opens one small object whole. */
export async function fetchPart(ports: JobPorts, prefix: string, part: StoredPart): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of await ports.get(`${prefix}${part.name}`)) chunks.push(chunk as Uint8Array);
  return openBytes(part, Buffer.concat(chunks), (name, header) => ports.openHeader(`${prefix}${name}`, header));
}

export async function fetchIndex(ports: JobPorts, backup: BackupRef): Promise<BackupIndex> {
  const plain = await fetchPart(ports, backup.prefix, backup.index);
  const parsed = backupIndexSchema.safeParse(JSON.parse(Buffer.from(plain).toString("utf8")));
  if (parsed.success) return parsed.data;
  throw new HoldfastError("FORMAT_INVALID", `The index of backup ${backup.backupId} is not one that this version can read.`, { cause: parsed.error });
}
