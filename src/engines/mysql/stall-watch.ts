import { readFile } from "node:fs/promises";

export interface StallWatch {
  readonly pid: number;
  /** A number that rises whenever the tool says something. */
  readonly spoken: () => number;
  /** How long a tool may neither speak nor read nor write. */
  readonly limitMs: number;
  /** Called once, when the limit has passed. */
  readonly onStall: () => void;
  readonly intervalMs?: number;
}

const INTERVAL_MS = 2_000;

/**
 * Watches a tool that can hang for ever on itself (a prepare that waits for pages that never come): it lives while its
 * log grows or the kernel counts bytes for it. CPU time is no sign, background threads use some. Gives the end of it.
 */
export function watchForStall(watch: StallWatch): () => void {
  let last = "";
  let lastChangeMs = performance.now();
  const look = async (): Promise<void> => {
    const now = `${String(watch.spoken())} ${await ioCounters(watch.pid)}`;
    if (now !== last) {
      last = now;
      lastChangeMs = performance.now();
    } else if (performance.now() - lastChangeMs > watch.limitMs) {
      clearInterval(timer);
      watch.onStall();
    }
  };
  const timer = setInterval(() => void look(), watch.intervalMs ?? INTERVAL_MS);
  return () => {
    clearInterval(timer);
  };
}

/** What /proc/<pid>/io says; empty when it cannot be read, so that only the log counts. */
async function ioCounters(pid: number): Promise<string> {
  return readFile(`/proc/${String(pid)}/io`, "utf8").catch(() => "");
}
