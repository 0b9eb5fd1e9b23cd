import { once } from "node:events";
import type { Readable } from "node:stream";
import type { BackupSource } from "../engines/engine.ts";
import type { BackupIndex } from "../model/backup-index.ts";
import type { BackupOrder, BackupReport } from "../model/job.ts";
import { INDEX_NAME, type StoredPart } from "../model/manifest.ts";
import type { WrittenPacks } from "../pack/contract.ts";
import { sealBytes } from "../pack/seal.ts";
import { betweenHooks } from "./between-hooks.ts";
import { engineContext } from "./engine-context.ts";
import { Phases } from "./phases.ts";
import type { JobPorts } from "./ports.ts";
import { openWay } from "./way-to-repository.ts";

/**
 * Streams one backup from the engine into packs, then stores the index. What it returns is a report, not a backup:
 * that exists only once the server has checked the objects and written the manifest.
 */
export async function runBackup(ports: JobPorts, order: BackupOrder): Promise<BackupReport> {
  const phases = new Phases(ports);
  const taken = await betweenHooks(ports, phases, order.hooks, () => takeBackup(ports, order, phases));
  return { ...taken, phases: phases.list };
}

/** How long a tool that was told to end may take before the hooks after the backup run all the same. */
const TOOL_END_MS = 30_000;

async function takeBackup(ports: JobPorts, order: BackupOrder, phases: Phases): Promise<Omit<BackupReport, "phases">> {
  const source = await phases.run("start", 0, () => ports.engine.startBackup(engineContext(ports), order, ports.signal));
  const way = openWay(ports, order, source);
  try {
    const streamStartMs = ports.clock.monotonicMs();
    ports.log.info({ phase: "stream" }, "phase begins");
    const written = await way.write();
    phases.list.push({ name: "stream", durationMs: Math.round(ports.clock.monotonicMs() - streamStartMs), bytes: written.plainBytes });
    // What the spool still holds goes on to the repository meanwhile; the facts should be of this moment.
    const recorded = await phases.run("record", 0, () => source.facts());
    await phases.run("store", 0, () => way.drained());
    return await report(ports, order, { source, written, recorded });
  } finally {
    await way.close();
    if (order.hooks !== undefined) await toolEnded(source.stream);
  }
}

/** What a hook lets go on again must not meet the tool. Its stream closes when it has ended, well or not. */
async function toolEnded(stream: Readable): Promise<void> {
  if (!stream.closed) await once(stream, "close", { signal: AbortSignal.timeout(TOOL_END_MS) }).catch(() => undefined);
}

interface Taken {
  readonly source: BackupSource;
  readonly written: WrittenPacks;
  readonly recorded: Awaited<ReturnType<BackupSource["facts"]>>;
}

async function report(ports: JobPorts, order: BackupOrder, { source, written, recorded }: Taken): Promise<Omit<BackupReport, "phases">> {
  const { facts, files, server } = recorded;
  const packs = written.packs.map(({ part, frames }) => ({ name: part.name, frames: [...frames] }));
  const index = await storeIndex(ports, order, { formatVersion: 1, packs, files, server });
  ports.log.info({ packs: written.packs.length }, "every object of the backup is stored");
  return {
    kind: "backup",
    packs: written.packs.map(({ part }) => part),
    index,
    stream: { format: source.format, sizeBytes: written.plainBytes },
    facts,
  };
}

async function storeIndex(ports: JobPorts, order: BackupOrder, index: BackupIndex): Promise<StoredPart> {
  const plain = Buffer.from(JSON.stringify(index), "utf8");
  const { part, chunks } = await sealBytes(plain, {
    name: INDEX_NAME,
    // The server's own key opens indexes, never data, so that file lists can be watched.
    recipients: [...order.sealing.recipients, order.sealing.metadataRecipient],
    compressionLevel: order.sealing.compressionLevel,
  });
  await ports.put({ ...part, chunks });
  return part;
}
