import { rm } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import { requireSuccess, startTool, type Tool } from "../../lib/process.ts";
import type { EngineContext, Unpacked } from "../engine.ts";
import { type ChainLink, requireChain } from "./chain-fit.ts";
import { readCheckpoints } from "./checkpoint-file.ts";
import { expectedFiles, missingFiles } from "./expected-files.ts";
import { filesBelow } from "./ownership.ts";
import { keepSettings } from "./sandbox-settings.ts";
import { watchForStall } from "./stall-watch.ts";
import { followToolLog } from "./tool-log.ts";
import { toolFile } from "./tools.ts";

export { unpack } from "./unpack.ts";

/** How long a prepare may neither speak nor read nor write before it counts as hung. */
const STALL_LIMIT_MS = 600_000;
const MIB = 1024 * 1024;

/**
 * Makes `chain[0]` a consistent data directory by applying the incrementals in order, then compares it with the index
 * of the last one: a prepare that says "completed OK!" does not notice a missing table file. Gives findings as
 * sentences. Throws CHAIN_BROKEN before anything is touched, TOOL_FAILED when the tool fails in any of its ways,
 * TIMEOUT when it hangs. A directory in which prepare failed is spent: extract again.
 */
export async function prepare(context: EngineContext, chain: readonly Unpacked[], signal: AbortSignal): Promise<string[]> {
  const links: ChainLink[] = [];
  for (const unpacked of chain) links.push({ unpacked, checkpoints: await readCheckpoints(unpacked.dir) });
  requireChain(links);
  const [full, ...incrementals] = chain;
  const last = chain.at(-1);
  if (full === undefined || last === undefined) return [];
  for (const { dir } of chain) await dropForeignPlaces(context, dir);
  await applyLog(context, [`--target-dir=${full.dir}`], signal);
  for (const { dir } of incrementals) await applyLog(context, [`--target-dir=${full.dir}`, `--incremental-dir=${dir}`], signal);
  await keepSettings(context.scratchDir, full.dir, last.index.server.variables);
  return [...(await lsnFindings(full.dir, last)), ...missingFiles(expectedFiles(last.index.files), new Set(await filesBelow(full.dir)))];
}

/**
 * `.isl` files hold the absolute path that a DATA DIRECTORY table had on the source. Kept, the sandbox would open the
 * production's own file when both are on one machine; without them the table opens from the restored directory.
 */
async function dropForeignPlaces(context: EngineContext, dir: string): Promise<void> {
  for (const name of await filesBelow(dir)) {
    if (!name.endsWith(".isl")) continue;
    context.log.info({ file: name }, "table with DATA DIRECTORY comes back into the data directory");
    await rm(join(dir, name));
  }
}

async function applyLog(context: EngineContext, directories: readonly string[], signal: AbortSignal): Promise<void> {
  const log = followToolLog();
  let spoken = 0;
  const tool = startTool({
    file: await toolFile("mariadb-backup"),
    // No --no-defaults: with it the tool would not read backup-my.cnf in the target either.
    args: ["--prepare", `--use-memory=${String(prepareMemoryBytes(process.availableMemory()))}`, ...directories],
    runAs: context.sandboxUser,
    stdout: "ignore",
    signal,
    onStderrLine: (line) => {
      spoken += 1;
      log.line(line);
    },
  });
  const stalled = await endOrStall(tool, () => spoken);
  signal.throwIfAborted();
  if (stalled) throw new HoldfastError("TIMEOUT", `mariadb-backup --prepare ${directories.join(" ")} did nothing for ${String(STALL_LIMIT_MS / 60_000)} minutes and was killed: ${tool.stderrTail()}`);
  requireSuccess(tool, await tool.exited, signal);
  const fault = log.fault();
  if (fault !== null) throw new HoldfastError("TOOL_FAILED", `mariadb-backup --prepare ended with code 0, but ${fault}`);
}

async function endOrStall(tool: Tool, spoken: () => number): Promise<boolean> {
  let stalled = false;
  const onStall = (): void => {
    stalled = true;
    tool.kill("SIGKILL");
  };
  const unwatch = watchForStall({ pid: tool.pid ?? -1, spoken, limitMs: STALL_LIMIT_MS, onStall });
  await tool.exited;
  unwatch();
  return stalled;
}

/**
 * Buffer pool of a prepare: 40 % of the free memory between 128 MiB and 4 GiB. With the tool's default of about 100 MiB
 * a large redo log takes ten times as long (Percona's measurements of "smart memory estimation").
 */
export function prepareMemoryBytes(freeBytes: number): number {
  return Math.min(4096, Math.max(128, Math.floor((freeBytes * 0.4) / MIB))) * MIB;
}

async function lsnFindings(dir: string, last: Unpacked): Promise<string[]> {
  const { backupType, toLsn } = await readCheckpoints(dir);
  const findings: string[] = [];
  if (backupType !== "log-applied") findings.push(`The prepared directory calls itself "${backupType}" instead of "log-applied".`);
  if (toLsn < BigInt(last.facts.toLsn)) findings.push(`The prepared directory ends at LSN ${String(toLsn)}, the last backup of the chain at ${last.facts.toLsn}.`);
  return findings;
}
