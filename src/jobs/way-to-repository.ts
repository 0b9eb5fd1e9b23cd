import type { BackupSource } from "../engines/engine.ts";
import type { HoldfastError } from "../lib/errors.ts";
import type { BackupOrder } from "../model/job.ts";
import type { WrittenPacks } from "../pack/contract.ts";
import { Spool } from "../pack/spool.ts";
import { PACK_BYTES, writePacks } from "../pack/write.ts";
import { bufferExhausted } from "./buffer-exhausted.ts";
import type { JobPorts } from "./ports.ts";
import { ProgressMeter } from "./progress-meter.ts";

/** A stalled repository makes no event: progress must tell of it all the same. */
const PROGRESS_EVERY_MS = 1_000;
/** One pack being filled, two being uploaded, and the frames on their way. */
const PACKS_IN_BUDGET = 4;

/** From the tool's output to the repository: packs, and the spool that keeps a slow repository from holding the tool back. */
export interface WayToRepository {
  /** Takes the stream to its end; what comes out of it may still be in the spool then. */
  write(): Promise<WrittenPacks>;
  /** Resolves when everything is stored. */
  drained(): Promise<void>;
  /** Ends what still runs and leaves nothing on the disk. */
  close(): Promise<void>;
}

/** Opens the way of one backup; its progress is told until `close`. */
export function openWay(ports: JobPorts, order: BackupOrder, source: BackupSource): WayToRepository {
  const { bufferBytes, spoolBytes, spoolDir } = ports.buffers;
  const startMs = ports.clock.monotonicMs();
  const meter = new ProgressMeter(ports, source.expectedBytes);
  let readBytes = 0;
  let hasEnded = false;
  const exhausted = (isDiskFull: boolean): HoldfastError =>
    bufferExhausted({ repository: ports.order.repository, elapsedMs: ports.clock.monotonicMs() - startMs, readBytes, storedBytes: spool.storedBytes, ...ports.buffers, isDiskFull, redo: source.redo ?? null });
  const tell = (): void => {
    // Then there is nothing more to tell of, and what comes next has its own words.
    if (hasEnded && spool.isEmpty) return;
    meter.update(hasEnded ? "storing" : source.phase(), readBytes, spool.storedBytes, { spoolBytes: spool.diskBytes });
  };
  const onFirstSpill = (): void => ports.log.info({ spoolDir, storedBytes: spool.storedBytes, readBytes }, "packs go to the spool on disk");
  const spool: Spool = new Spool({ dir: spoolDir, limitBytes: spoolBytes, upload: (pack, signal) => ports.put(pack, signal), exhausted, signal: ports.signal, onStored: tell, onFirstSpill });
  const timer = setInterval(tell, PROGRESS_EVERY_MS);
  return {
    write: async () => {
      const written = await writePacks(source.stream, {
        recipients: order.sealing.recipients,
        compressionLevel: order.sealing.compressionLevel,
        packBytes: Math.min(PACK_BYTES, Math.floor(bufferBytes / PACKS_IN_BUDGET)),
        bufferBytes,
        signal: spool.signal,
        store: spool.store,
        storesAtOnce: Number.POSITIVE_INFINITY,
        onMemoryShort: spool.memoryShort,
        onProgress: ({ plainBytes }) => {
          readBytes = plainBytes;
          tell();
        },
      });
      hasEnded = true;
      return written;
    },
    drained: () => spool.drained(),
    close: async () => {
      clearInterval(timer);
      await spool.close();
    },
  };
}
