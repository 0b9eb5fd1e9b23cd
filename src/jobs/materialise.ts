import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Unpacked } from "../engines/engine.ts";
import type { BackupRef } from "../model/backup.ts";
import { engineContext } from "./engine-context.ts";
import { fetchIndex, fetchStream } from "./fetch.ts";
import type { Phases } from "./phases.ts";
import type { JobPorts } from "./ports.ts";

/** Where a chain is unpacked: the full, and each incremental by its number from 1. */
export interface ChainPlaces {
  readonly dataDir: string;
  /** On the file system of `dataDir`: prepare moves the files of new tables from here to there by rename. */
  readonly incrementalDir: (number: number) => string;
}

/** A chain that nobody will keep, whole in the scratch space. */
export function scratchPlaces(ports: Pick<JobPorts, "scratchDir">): ChainPlaces {
  return { dataDir: join(ports.scratchDir, "data"), incrementalDir: (number) => join(ports.scratchDir, `inc-${String(number)}`) };
}

/** Fetches and unpacks a chain, each backup into a directory of its own. */
export async function unpackChain(ports: JobPorts, phases: Phases, chain: readonly BackupRef[], places: ChainPlaces): Promise<Unpacked[]> {
  const unpacked: Unpacked[] = [];
  for (const [number, backup] of chain.entries()) {
    const dir = number === 0 ? places.dataDir : places.incrementalDir(number);
    await mkdir(dir, { recursive: true });
    const index = await fetchIndex(ports, backup);
    await phases.run("fetch", backup.streamBytes, () => ports.engine.unpack(engineContext(ports), fetchStream(ports, backup), dir, ports.signal));
    unpacked.push({ dir, kind: backup.kind, facts: backup.facts, index });
  }
  return unpacked;
}

/** Makes the unpacked chain one consistent data directory; gives what the engine found wrong with it. */
export function prepareChain(ports: JobPorts, phases: Phases, chain: readonly Unpacked[]): Promise<string[]> {
  const bytes = chain.reduce((sum, { index }) => sum + index.files.reduce((files, file) => files + file.sizeBytes, 0), 0);
  return phases.run("prepare", bytes, () => ports.engine.prepare(engineContext(ports), chain, ports.signal));
}
