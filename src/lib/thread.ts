import { type MessagePort, Worker } from "node:worker_threads";
import { HoldfastError } from "./errors.ts";

/** Short-lived objects of a thread, MiB: bulk bytes lie outside the heap, so that more would only be held, not used. */
const YOUNG_HEAP_MIB = 2;

export interface ThreadSpec {
  readonly file: URL;
  readonly workerData: unknown;
  readonly transferList?: readonly MessagePort[];
}

/** Starts a thread. */
export function startThread({ file, workerData, transferList = [] }: ThreadSpec): Worker {
  return new Worker(file, {
    workerData,
    transferList: [...transferList],
    // A thread needs nothing of how this process was started; a test runner's own options would even break it.
    execArgv: [],
    stdin: false,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_HEAP_MIB },
  });
}

/** Calls `onFailure` once a thread dies, or ends while it should not. */
export function watchThread(worker: Worker, name: string, { isStopping, onFailure }: { isStopping: () => boolean; onFailure: (error: HoldfastError) => void }): void {
  worker.once("error", (cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    onFailure(new HoldfastError("INTERNAL", `${name} failed: ${why}`, { cause }));
  });
  worker.once("exit", (code) => {
    if (!isStopping()) onFailure(new HoldfastError("INTERNAL", `${name} ended by itself with code ${code}.`));
  });
}
