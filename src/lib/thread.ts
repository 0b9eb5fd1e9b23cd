import { type MessagePort, Worker } from "node:worker_threads";
import { HoldfastError } from "./errors.ts";

/**
 * Heap of a thread, MiB. Bulk bytes lie outside of it, so that more would only be held, not used: without the second
 * limit the heaps of a long backup's threads grew by 20 MiB together, of which nothing was alive. The collector counts
 * the bytes outside too, so that a lower limit keeps it busy for nothing: with 16 a backup took a quarter more CPU time (measured).
 */
const YOUNG_HEAP_MIB = 2;
const OLD_HEAP_MIB = 64;

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
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_HEAP_MIB, maxOldGenerationSizeMb: OLD_HEAP_MIB },
  });
}

/** Calls `onFailure` once a thread dies, or ends while it should not. */
export function watchThread(worker: Worker, name: string, { isStopping, onFailure }: { isStopping: () => boolean; onFailure: (error: HoldfastError) => void }): void {
  worker.once("error", (cause: unknown) => onFailure(threadFailure(name, cause)));
  worker.once("exit", (code) => {
    if (!isStopping()) onFailure(new HoldfastError("INTERNAL", `${name} ended by itself with code ${code}.`));
  });
}

/** Node tells of a thread that got no file handle in words alone; that is the machine's state, passes, and says nothing about what was read. */
export function threadFailure(name: string, cause: unknown): HoldfastError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const isOutOfFiles = /EMFILE|ENFILE|too many open files/.test(why);
  return new HoldfastError(isOutOfFiles ? "STORAGE_FAILED" : "INTERNAL", `${name} failed: ${why}`, {
    cause,
    ...(isOutOfFiles ? { hint: "Raise the limit of open files (`ulimit -n`, LimitNOFILE of the service)." } : {}),
  });
}
