import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

/** One run. Seconds on the wall; CPU seconds of everything that ran; peak memory of Holdfast's own process. */
export interface Run {
  readonly wallS: number;
  readonly cpuS: number;
  readonly peakRssBytes: number;
  readonly storedBytes: number;
}

const run = promisify(execFile);
const TICKS_PER_S = 100;

/** Runs a file of ours with Node as bin/holdfast starts it; its stdout. */
export async function runAsInstalled(file: string, args: readonly string[]): Promise<string> {
  const env = { ...process.env, MALLOC_ARENA_MAX: "2", MALLOC_TRIM_THRESHOLD_: "131072" };
  const { stdout } = await run(process.execPath, ["--max-semi-space-size=4", file, ...args], { maxBuffer: 64 * 1024 ** 2, env });
  return stdout;
}

/** Runs a script in bash and times it with everything it waits for. */
export async function timeShell(script: string): Promise<{ wallS: number; cpuS: number }> {
  const timed = `set -eu -o pipefail\nTIMEFORMAT='TIMED %R %U %S'\ntime {\n${script}\n}`;
  const { stderr } = await run("bash", ["-c", timed], { maxBuffer: 64 * 1024 ** 2 });
  const found = /TIMED (\S+) (\S+) (\S+)/.exec(stderr);
  if (found === null) throw new Error(`bash gave no times: ${stderr.slice(-500)}`);
  return { wallS: Number(found[1]), cpuS: Number(found[2]) + Number(found[3]) };
}

/** CPU seconds of this process with all threads and of every child it has waited for (proc(5), fields 14 to 17). */
export function cpuSeconds(): number {
  const fields = readFileSync("/proc/self/stat", "latin1").split(") ")[1]?.split(" ") ?? [];
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_S;
}

/** Lets the disk finish what earlier runs left, so that no run pays for another. */
export async function settle(dir: string): Promise<void> {
  await run("sync", ["--file-system", dir]);
}
