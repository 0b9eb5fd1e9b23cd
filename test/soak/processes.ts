import { readdirSync, readFileSync } from "node:fs";
import { delay } from "../../src/lib/clock.ts";

export interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  readonly isZombie: boolean;
  readonly command: string;
}

/** Everything that runs on this machine. */
export function processes(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
        const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
        return [{ pid: Number(pid), parent: Number(parent), name, isZombie: state === "Z", command }];
      } catch {
        // It ended while we looked.
        return [];
      }
    });
}

/** The newest living process of that kind, from the moment there is one; null when none comes in time. */
export async function awaitProcess(isIt: (process: Process) => boolean, limitMs: number): Promise<number | null> {
  for (const endMs = Date.now() + limitMs; Date.now() < endMs; ) {
    const found = processes().findLast((process) => !process.isZombie && isIt(process));
    if (found !== undefined) return found.pid;
    await delay(2);
  }
  return null;
}

/** Resolves when a process that is no child of ours has ended. */
export async function awaitEnd(pid: number): Promise<void> {
  while (processes().some((process) => process.pid === pid && !process.isZombie)) await delay(10);
}

/** Sends a signal to a process that may be gone; false when it is. */
export function signalTo(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}
