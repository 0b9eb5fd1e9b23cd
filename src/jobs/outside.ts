import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JobPorts } from "./ports.ts";

/** Name of the list of unfinished things outside the scratch directory; the agent removes them at the attempt's end, or after a crash. */
export const OUTSIDE_FILE = "outside.json";

/** Notes all paths outside the scratch directory before anything is written there. */
export async function noteOutside(ports: Pick<JobPorts, "scratchDir">, paths: readonly string[]): Promise<void> {
  await writeFile(join(ports.scratchDir, OUTSIDE_FILE), JSON.stringify(paths), { mode: 0o600 });
}

/**
 * Removes unfinished things that were noted. What cannot be removed in this moment, because the process is out of file
 * handles, say, is not worth another error: the agent removes it before it forgets the list.
 */
export async function removeNoted(ports: Pick<JobPorts, "log">, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
      ports.log.warn({ err: error, path }, "an unfinished restore cannot be removed yet");
    });
  }
}
