import type { IncomingMessage } from "node:http";
import { HoldfastError } from "../../lib/errors.ts";
import { formatDuration } from "../../lib/units.ts";

export interface IncomingOptions {
  /** Called before the first byte is asked for; what it throws ends the body. */
  readonly onBegin: () => void;
  /** Called after the last byte; what it throws ends the body. */
  readonly onEnd: () => void;
  /** As long as this nothing may come. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

/**
 * The bytes of a request as they come, no faster than they are taken. Throws CANCELLED when the sender goes away before
 * the last one, TIMEOUT when none comes for a while. The connection stays, so that the sender can be told.
 */
export async function* incomingBody(request: IncomingMessage, { onBegin, onEnd, idleMs, signal }: IncomingOptions): AsyncGenerator<Uint8Array, void, undefined> {
  onBegin();
  const iterator = request.iterator({ destroyOnReturn: false });
  try {
    for (;;) {
      const next = await beforeIdle(iterator.next() as Promise<IteratorResult<Uint8Array>>, idleMs, signal);
      if (next.done === true) break;
      yield next.value;
    }
  } finally {
    // Not waited for: where nothing comes it would never end.
    void iterator.return?.().catch(() => undefined);
  }
  if (!request.complete) throw gone();
  onEnd();
}

function beforeIdle<T>(next: Promise<T>, idleMs: number, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new HoldfastError("TIMEOUT", `No byte of the object came for ${formatDuration(idleMs)}.`));
    }, idleMs);
    const onAbort = (): void => {
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    next.then(resolve, (cause: unknown) => {
      reject(gone(cause));
    }).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    });
  });
}

function gone(cause?: unknown): HoldfastError {
  return new HoldfastError("CANCELLED", "The sender went away before the last byte of the object.", { cause, hint: "Nothing was stored; the object can be sent again." });
}
