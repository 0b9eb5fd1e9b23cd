import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JobPorts } from "./ports.ts";

/** Name of the list of unfinished things outside the scratch directory; the agent removes them after a crash. */
export const OUTSIDE_FILE = "outside.json";

/** Notes all paths outside the scratch directory before anything is written there. */
export async function noteOutside(ports: Pick<JobPorts, "scratchDir">, paths: readonly string[]): Promise<void> {
  await writeFile(join(ports.scratchDir, OUTSIDE_FILE), JSON.stringify(paths), { mode: 0o600 });
}
