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

/** Living children with one of the names. */
export function childrenOf(parent: number, names?: readonly string[]): Process[] {
  return processes().filter((process) => process.parent === parent && !process.isZombie && (names?.includes(process.name) ?? true));
}

/** The newest child of that name, from the moment there is one; null when none comes in time. */
export async function awaitChild(parent: () => number, name: string, limitMs: number): Promise<number | null> {
  for (const endMs = Date.now() + limitMs; Date.now() < endMs; ) {
    const found = childrenOf(parent(), [name]).at(-1);
    if (found !== undefined) return found.pid;
    await delay(2);
  }
  return null;
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
