import type { Queue } from "./queue.ts";

/** Knocks inside one process. They come later than the call, so that whoever knocks never runs the listener's code. */
export function embeddedQueue(): Queue {
  const listeners = new Map<string, Set<(jobId: string) => void>>();
  return {
    knock: (pool, jobId) => {
      for (const listener of listeners.get(pool) ?? []) setImmediate(listener, jobId);
      return Promise.resolve();
    },
    listen: (pool, onKnock, signal) => {
      const ofPool = listeners.get(pool) ?? new Set();
      listeners.set(pool, ofPool);
      const listener = (jobId: string): void => {
        if (!signal.aborted) onKnock(jobId);
      };
      ofPool.add(listener);
      return new Promise((resolve) => {
        const leave = (): void => {
          ofPool.delete(listener);
          resolve();
        };
        if (signal.aborted) leave();
        else signal.addEventListener("abort", leave, { once: true });
      });
    },
    close: () => {
      listeners.clear();
      return Promise.resolve();
    },
  };
}
