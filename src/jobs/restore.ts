import { mkdir, readdir, rename, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { HoldfastError } from "../lib/errors.ts";
import { syncFolder } from "../lib/folders.ts";
import { runTool } from "../lib/process.ts";
import type { Report, RestoreOrder } from "../model/job.ts";
import type { LogPosition } from "../model/position.ts";
import type { RestorePlan } from "../model/restore.ts";
import { requireSpace } from "./disk-space.ts";
import { engineContext } from "./engine-context.ts";
import { type ChainPlaces, prepareChain, unpackChain } from "./materialise.ts";
import { noteOutside, removeNoted } from "./outside.ts";
import { Phases } from "./phases.ts";
import type { JobPorts } from "./ports.ts";
import { replayLog } from "./replay.ts";
import { type Restored, restoreTable } from "./restore-table.ts";
import { withSandbox } from "./with-sandbox.ts";

/** Restores into a directory, or one table as SQL or into another server. The source is never touched. */
export async function runRestore(ports: JobPorts, order: RestoreOrder): Promise<Report> {
  const phases = new Phases(ports);
  const { target, plan } = order;
  const startMs = ports.clock.monotonicMs();
  const { targetPath, server, notes } =
    target.kind === "directory" ? await restoreDirectory(ports, phases, plan, target) : await restoreTable(ports, phases, plan, target);
  return {
    kind: "restore",
    result: { targetPath, reached: reachedBy(plan), phases: phases.list, totalMs: ports.clock.monotonicMs() - startMs, server, notes },
  };
}

/** Where the data is in the log after this plan. */
function reachedBy(plan: RestorePlan): LogPosition | null {
  if (plan.stop === null) return plan.chain.at(-1)?.facts.logPosition ?? null;
  return { file: plan.stop.file, position: plan.stop.position, gtid: plan.stop.lastGroup?.gtid ?? "" };
}

/**
 * Builds the data directory under a name beside the target and renames it at the very end: a target either is a whole
 * restore or does not exist.
 */
async function restoreDirectory(
  ports: JobPorts,
  phases: Phases,
  plan: RestorePlan,
  target: { path: string; start: boolean },
): Promise<Restored> {
  await requireEmpty(target.path);
  const partial = `${target.path}.partial-${ports.order.attemptId}`;
  await mkdir(dirname(target.path), { recursive: true });
  await requireSpace(plan.chain, dirname(target.path), "restore");
  const incrementalDir = (number: number): string => `${target.path}.inc-${String(number)}.partial-${ports.order.attemptId}`;
  const incrementals = plan.chain.slice(1).map((_, index) => incrementalDir(index + 1));
  await noteOutside(ports, [partial, ...incrementals]);
  try {
    await buildDataDirectory(ports, phases, plan, { dataDir: partial, incrementalDir });
    await phases.run("sync", 0, () => makeDurable(ports, partial));
    await rmdir(target.path).catch(ignoreMissing);
    await rename(partial, target.path);
    await syncFolder(dirname(target.path));
    ports.log.info({ path: target.path }, "the restored directory has its name");
  } catch (error) {
    await removeNoted(ports, [partial]);
    throw error;
  } finally {
    await removeNoted(ports, incrementals);
  }
  const server = target.start ? await phases.run("serve", 0, () => serve(ports, target.path)) : null;
  return { targetPath: target.path, server, notes: [] };
}

/** A server that stays, unless this attempt comes to nothing: nobody would know of it. */
async function serve(ports: JobPorts, path: string): Promise<Restored["server"]> {
  const { socket, pid, user, settle } = await ports.engine.serve(engineContext(ports), path, ports.signal);
  ports.onEnd(settle);
  return { socket, pid, user };
}

/** Fetch, unpack, prepare and replay into a data directory; afterwards no server runs on it. */
async function buildDataDirectory(ports: JobPorts, phases: Phases, plan: RestorePlan, places: ChainPlaces): Promise<void> {
  const chain = await unpackChain(ports, phases, plan.chain, places);
  const wrong = await prepareChain(ports, phases, chain);
  if (wrong.length > 0) {
    throw new HoldfastError("VERIFICATION_FAILED", `The prepared data is not whole: ${wrong.slice(0, 5).join("; ")}.`, { details: { wrong } });
  }
  if (plan.start === null || plan.stop === null) return;
  const { segments, start, stop, gaps } = plan;
  await withSandbox(ports, phases, places.dataDir, (sandbox) => replayLog(ports, phases, sandbox, { segments, start, stop, gaps }));
}

/** A restored server is stored once the disk has it: tools write without fsync. */
async function makeDurable(ports: JobPorts, dir: string): Promise<void> {
  await runTool({ file: "sync", args: ["--file-system", dir], signal: ports.signal });
}

async function requireEmpty(path: string): Promise<void> {
  const entries = await readdir(path).catch((error: unknown) => {
    ignoreMissing(error);
    return [];
  });
  if (entries.length === 0) return;
  throw new HoldfastError("TARGET_NOT_EMPTY", `${path} is not empty (it holds ${entries.slice(0, 3).join(", ")}${entries.length > 3 ? ", …" : ""}); nothing was changed.`);
}

function ignoreMissing(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
}
