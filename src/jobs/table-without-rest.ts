import { rm } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../lib/errors.ts";
import type { Sandbox, TableRequest } from "../engines/engine.ts";
import { comparePositions } from "../model/position.ts";
import type { RestorePlan } from "../model/restore.ts";
import { engineContext } from "./engine-context.ts";
import { extractFiles, type IndexedBackup } from "./extract-files.ts";
import { fetchIndex } from "./fetch.ts";
import { assembleLogFiles } from "./log-files.ts";
import type { Phases } from "./phases.ts";
import type { JobPorts } from "./ports.ts";

/** Directories of an attempt in which a table without the rest is made. */
const PLACES = ["part", "frames", "logs"];

export interface TableAlone {
  readonly sandbox: Sandbox;
  /** Stored bytes of packs that were read. */
  readonly readBytes: number;
}

/**
 * A sandbox with one table at the plan's stop place, made of as little of the backups as that takes. Throws NOT_FOUND
 * when there is no such table, REFUSED or what went wrong otherwise; then nothing of it is left in the scratch directory.
 */
export async function tableWithoutRest(ports: JobPorts, phases: Phases, plan: RestorePlan, table: { schema: string; table: string }): Promise<TableAlone> {
  const { engine } = ports;
  if (engine.startTableSandbox === undefined) throw new HoldfastError("REFUSED", `The engine ${engine.kind} restores whole servers only.`);
  if (plan.gaps.length > 0) throw new HoldfastError("REFUSED", "The log has a hole, and what lies in it may have concerned this table.");
  const backups: IndexedBackup[] = [];
  for (const [number, ref] of plan.chain.entries()) backups.push({ ref, index: await fetchIndex(ports, ref), keepDir: join(ports.scratchDir, "frames", String(number)) });
  let readBytes = 0;
  const request: TableRequest = {
    table: { schema: table.schema, table: table.table },
    chain: backups.map(({ ref, index }) => ({ kind: ref.kind, facts: ref.facts, index })),
    log: null,
    extract: async (number, files, dir) => {
      const backup = backups[number];
      if (backup === undefined) throw new HoldfastError("INTERNAL", `The chain has no backup number ${String(number)}.`);
      const plainBytes = files.reduce((sum, { file }) => sum + file.sizeBytes, 0);
      readBytes += await phases.run("fetch", plainBytes, () => extractFiles(ports, backup, files, dir));
    },
    step: (name, work) => phases.run(name, 0, work),
  };
  try {
    const log = await logOf(ports, phases, plan);
    return { sandbox: await engine.startTableSandbox(engineContext(ports), { ...request, log }, ports.signal), readBytes };
  } catch (error) {
    await removeParts(ports);
    throw error;
  }
}

/** Makes room for restoring the whole in the same attempt. */
export async function removeParts(ports: Pick<JobPorts, "scratchDir">): Promise<void> {
  for (const place of PLACES) await rm(join(ports.scratchDir, place), { recursive: true, force: true });
}

async function logOf(ports: JobPorts, phases: Phases, plan: RestorePlan): Promise<TableRequest["log"]> {
  const { segments, start, stop } = plan;
  if (start === null || stop === null || comparePositions(start, stop) >= 0) return null;
  const bytes = segments.reduce((sum, { segment }) => sum + segment.endPosition - segment.startPosition, 0);
  const files = await phases.run("logs", bytes, () => assembleLogFiles(ports, segments, stop));
  return { files, start, stop: { file: stop.file, position: stop.position } };
}
