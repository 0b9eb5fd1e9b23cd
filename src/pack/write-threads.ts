import { MessageChannel, type Worker } from "node:worker_threads";
import type { HoldfastError } from "../lib/errors.ts";
import type { AgeHeader } from "./age-payload.ts";
import type { CompressorStart, FrameOrder, SealerOrder, SealerReport, SealerStart } from "./thread-messages.ts";
import { startThread, watchThread } from "../lib/thread.ts";

/** Two compressors keep two cores busy beside the sealer; three gained 2 % for a sixth more memory (measured). */
const COMPRESSORS = 2;

export interface WriteThreadsOptions {
  readonly ring: readonly SharedArrayBuffer[];
  readonly level: number;
  readonly packBytes: number;
  readonly onReport: (report: SealerReport) => void;
  /** A thread died; nothing more will come. */
  readonly onFailure: (error: HoldfastError) => void;
}

/** The compressor threads and the sealer thread of one write. */
export class WriteThreads {
  readonly #compressors: { worker: Worker; underWay: number }[];
  readonly #sealer: Worker;
  /** Which compressor has the frame of a slot. */
  readonly #ownerOfSlot = new Map<number, { underWay: number }>();
  #isStopping = false;

  constructor(options: WriteThreadsOptions) {
    const channels = Array.from({ length: COMPRESSORS }, () => new MessageChannel());
    this.#compressors = channels.map(({ port1 }) => {
      const start: CompressorStart = { ring: options.ring, level: options.level, toSealer: port1 };
      return { worker: startThread({ file: new URL("./compress-thread.ts", import.meta.url), workerData: start, transferList: [port1] }), underWay: 0 };
    });
    const ports = channels.map(({ port2 }) => port2);
    const start: SealerStart = { fromCompressors: ports, packBytes: options.packBytes };
    this.#sealer = startThread({ file: new URL("./seal-thread.ts", import.meta.url), workerData: start, transferList: ports });
    const watching = { isStopping: () => this.#isStopping, onFailure: options.onFailure };
    for (const { worker } of this.#compressors) watchThread(worker, "A compressor thread", watching);
    watchThread(this.#sealer, "The sealer thread", watching);
    this.#sealer.on("message", (report: SealerReport) => {
      if (report.kind === "frame") this.#freed(report.slot);
      if (!this.#isStopping) options.onReport(report);
    });
  }

  /** Gives a filled frame to the compressor with the fewest under way. */
  compress(frame: FrameOrder): void {
    const idlest = this.#compressors.reduce((best, other) => (other.underWay < best.underWay ? other : best));
    idlest.underWay += 1;
    this.#ownerOfSlot.set(frame.slot, idlest);
    idlest.worker.postMessage(frame);
  }

  addHeader({ header, fileKey }: AgeHeader): void {
    this.#order({ kind: "header", header, fileKey });
  }

  /** The memory of a stored pack goes back to the sealer, or at the end to the system. */
  giveBack(blocks: readonly ArrayBuffer[]): void {
    if (this.#isStopping) for (const block of blocks) block.transfer(0);
    else this.#sealer.postMessage({ kind: "blocks", blocks } satisfies SealerOrder, blocks);
  }

  end(frameCount: number): void {
    this.#order({ kind: "end", frameCount });
  }

  /** Ends every thread, whatever it is doing; resolves when they are gone. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all([this.#sealer, ...this.#compressors.map(({ worker }) => worker)].map((worker) => worker.terminate()));
  }

  #order(order: SealerOrder): void {
    this.#sealer.postMessage(order);
  }

  #freed(slot: number): void {
    const owner = this.#ownerOfSlot.get(slot);
    if (owner !== undefined) owner.underWay -= 1;
    this.#ownerOfSlot.delete(slot);
  }
}
