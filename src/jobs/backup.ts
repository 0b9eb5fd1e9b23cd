import type { BackupSource } from "../engines/engine.ts";
import type { BackupIndex } from "../model/backup-index.ts";
import type { BackupOrder, BackupReport } from "../model/job.ts";
import { INDEX_NAME, type StoredPart } from "../model/manifest.ts";
import type { WrittenPacks } from "../pack/contract.ts";
import { sealBytes } from "../pack/seal.ts";
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
    return await report(ports, order, { source, written, recorded, phases });
  } finally {
    await way.close();
  }
}

interface Taken {
  readonly source: BackupSource;
  readonly written: WrittenPacks;
  readonly recorded: Awaited<ReturnType<BackupSource["facts"]>>;
  readonly phases: Phases;
}

async function report(ports: JobPorts, order: BackupOrder, { source, written, recorded, phases }: Taken): Promise<BackupReport> {
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
    phases: phases.list,
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
