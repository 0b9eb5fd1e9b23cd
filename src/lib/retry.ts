import { delay } from "./clock.ts";
import { isHoldfastError } from "./errors.ts";

export interface RetryOptions {
  /** Tries in all, the first one included. */
  readonly tries: number;
  /** Pause after the first failure; doubles each time up to `maxPauseMs`, with jitter. */
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
  /** Ends the waiting; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
  /** Which errors another try may help against; what their table says unless told. */
  readonly mayRetry?: (error: unknown) => boolean;
  readonly onRetry?: ((error: unknown, pauseMs: number) => void) | undefined;
  /** In [0, 1); stands in for chance in tests. */
  readonly random?: () => number;
}

/** True when the error's row in the table says that the same call may succeed later. */
export function mayRetry(error: unknown): boolean {
  return isHoldfastError(error) && error.row.retry;
}

/** A pause before try number `failures + 1`: exponential, with jitter so that many waiting agents do not come back together. */
export function pauseMs(failures: number, options: Pick<RetryOptions, "firstPauseMs" | "maxPauseMs" | "random">): number {
  const full = Math.min(options.firstPauseMs * 2 ** (failures - 1), options.maxPauseMs);
  return full * (0.5 + (options.random ?? Math.random)() / 2);
}

/** Runs the operation again while its error says that this may help; throws the last error otherwise. `failures` counts from 0. */
export async function retry<T>(operation: (failures: number) => Promise<T>, options: RetryOptions): Promise<T> {
  for (let failures = 0; ; failures += 1) {
    options.signal?.throwIfAborted();
    try {
      return await operation(failures);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(options.mayRetry ?? mayRetry)(error) || failures + 1 >= options.tries) throw error;
      const waitMs = pauseMs(failures + 1, options);
      options.onRetry?.(error, waitMs);
      await delay(waitMs, options.signal);
    }
  }
}
