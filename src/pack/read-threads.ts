import type { Worker } from "node:worker_threads";
import { fromErrorRecord, type HoldfastError } from "../lib/errors.ts";
import type { DecompressOrder, DecompressReport, OpenerOrder, OpenerReport } from "./read-messages.ts";
import { startThread, watchThread } from "../lib/thread.ts";

/** Two decompressors beside the opener keep two cores busy. */
const DECOMPRESSORS = 2;

export interface ReadThreadsOptions {
  readonly onOpened: (report: Exclude<OpenerReport, { kind: "failed" }>) => void;
  readonly onPlain: (report: DecompressReport) => void;
  /** Damage that the opener found, or a thread that died; nothing more will come. */
  readonly onFailure: (error: HoldfastError) => void;
}

/** The opener thread and the decompressor threads of one read; each is started when there is work for it. */
export class ReadThreads {
  readonly #options: ReadThreadsOptions;
  #opener: Worker | null = null;
  readonly #decompressors: { worker: Worker; underWay: number }[] = [];
  #isStopping = false;

  constructor(options: ReadThreadsOptions) {
    this.#options = options;
  }

  order(order: OpenerOrder): void {
    if (this.#isStopping) return;
    this.#opener ??= this.#startOpener();
    this.#opener.postMessage(order, order.kind === "bytes" ? [order.bytes.buffer] : []);
  }

  /** Gives a frame to the decompressor with the fewest under way. */
  decompress(order: DecompressOrder): void {
    if (this.#isStopping) return;
    const idle = this.#decompressors.find(({ underWay }) => underWay === 0);
    const chosen = idle ?? (this.#decompressors.length < DECOMPRESSORS ? this.#startDecompressor() : this.#idlest());
    chosen.underWay += 1;
    chosen.worker.postMessage(order, [order.frame.buffer]);
  }

  /** Ends every thread, whatever it is doing; resolves when they are gone. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const workers = this.#decompressors.map(({ worker }) => worker);
    if (this.#opener !== null) workers.push(this.#opener);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #startOpener(): Worker {
    const worker = startThread({ file: new URL("./open-thread.ts", import.meta.url), workerData: null });
    this.#watch(worker, "The opener thread");
    worker.on("message", (report: OpenerReport) => {
      if (this.#isStopping) return;
      if (report.kind === "failed") this.#options.onFailure(fromErrorRecord(report.error));
      else this.#options.onOpened(report);
    });
    return worker;
  }

  #startDecompressor(): { worker: Worker; underWay: number } {
    const thread = { worker: startThread({ file: new URL("./decompress-thread.ts", import.meta.url), workerData: null }), underWay: 0 };
    this.#watch(thread.worker, "A decompressor thread");
    thread.worker.on("message", (report: DecompressReport) => {
      thread.underWay -= 1;
      if (!this.#isStopping) this.#options.onPlain(report);
    });
    this.#decompressors.push(thread);
    return thread;
  }

  #idlest(): { worker: Worker; underWay: number } {
    return this.#decompressors.reduce((best, other) => (other.underWay < best.underWay ? other : best));
  }

  #watch(worker: Worker, name: string): void {
    watchThread(worker, name, { isStopping: () => this.#isStopping, onFailure: this.#options.onFailure });
  }
}
