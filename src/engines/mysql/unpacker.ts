import type { Worker } from "node:worker_threads";
import { fromErrorRecord } from "../../lib/errors.ts";
import { isAllOfItsBuffer } from "../../lib/give-back.ts";
import { startThread, watchThread } from "../../lib/thread.ts";
import type { UnpackerOrder, UnpackerReport, UnpackerStart } from "./unpack-messages.ts";

const MIB = 1024 * 1024;
/** Bytes that may wait for the thread. */
const WAITING_LIMIT_BYTES = 8 * MIB;

/** The thread that writes a stream's files, seen from the main thread. */
export class Unpacker {
  readonly #worker: Worker;
  readonly #failure = Promise.withResolvers<never>();
  readonly #finished = Promise.withResolvers<undefined>();
  #waitingBytes = 0;
  #wake: (() => void) | null = null;
  #isStopping = false;

  constructor(start: UnpackerStart) {
    this.#failure.promise.catch(() => undefined);
    this.#worker = startThread({ file: new URL("./unpack-thread.ts", import.meta.url), workerData: start });
    watchThread(this.#worker, "The unpacker thread", { isStopping: () => this.#isStopping, onFailure: (error) => this.#failure.reject(error) });
    this.#worker.on("message", (report: UnpackerReport) => this.#take(report));
  }

  /** Takes the next bytes of the stream, and their memory where they are all of it; resolves when more may come. */
  async write(bytes: Uint8Array): Promise<void> {
    const own = isAllOfItsBuffer(bytes) ? bytes : new Uint8Array(bytes);
    this.#waitingBytes += own.byteLength;
    this.#order({ kind: "bytes", bytes: own }, [own.buffer]);
    while (this.#waitingBytes > WAITING_LIMIT_BYTES) {
      await Promise.race([this.#failure.promise, new Promise<void>((resolve) => (this.#wake = resolve))]);
    }
  }

  /** The stream has ended: resolves when every file is written, closed and given away; throws what went wrong first. */
  async finish(): Promise<void> {
    this.#order({ kind: "end" });
    await Promise.race([this.#failure.promise, this.#finished.promise]);
  }

  /** Ends the thread; Node closes what it had open. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#worker.terminate();
  }

  #order(order: UnpackerOrder, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(order, transfer);
  }

  #take(report: UnpackerReport): void {
    if (report.kind === "failed") this.#failure.reject(fromErrorRecord(report.error));
    else if (report.kind === "finished") this.#finished.resolve(undefined);
    else {
      this.#waitingBytes -= report.sizeBytes;
      this.#wake?.();
      this.#wake = null;
    }
  }
}
