import { access, rename } from "node:fs/promises";
import { join } from "node:path";
import { asHoldfastError, HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { formatBytes } from "../lib/units.ts";
import type { Sandbox } from "../engines/engine.ts";
import type { RestorePlan, RestoreResult, RestoreTarget } from "../model/restore.ts";
import { engineContext } from "./engine-context.ts";
import { prepareChain, scratchPlaces, unpackChain } from "./materialise.ts";
import type { Phases } from "./phases.ts";
import type { JobPorts } from "./ports.ts";
import { noteOutside, removeNoted } from "./outside.ts";
import { replayLog } from "./replay.ts";
import { removeParts, tableWithoutRest } from "./table-without-rest.ts";
import { withSandbox } from "./with-sandbox.ts";

/** Where the restored data are, and what to say of them. */
export type Restored = Pick<RestoreResult, "targetPath" | "server" | "notes">;

type TableTarget = Extract<RestoreTarget, { kind: "table" }>;

/** What a restore of one table works with. */
interface TableRestore {
  readonly ports: JobPorts;
  readonly phases: Phases;
  readonly plan: RestorePlan;
  readonly target: TableTarget;
  readonly sqlPath: string;
}

/**
 * Gives one table back, as it was at the plan's stop place, by way of a sandbox: of the table alone where that can be
 * proven to be right, else of the whole server; the notes say which, and why.
 */
export async function restoreTable(ports: JobPorts, phases: Phases, plan: RestorePlan, target: TableTarget): Promise<Restored> {
  if (target.sqlPath !== undefined) await requireAbsent(target.sqlPath);
  const sqlPath = target.sqlPath === undefined ? join(ports.scratchDir, "table.sql") : `${target.sqlPath}.partial-${ports.order.attemptId}`;
  const restore: TableRestore = { ports, phases, plan, target, sqlPath };
  await noteOutside(ports, [sqlPath]);
  let notes: string[];
  try {
    notes = await alone(restore);
  } catch (error) {
    await removeNoted(ports, [sqlPath]);
    await removeParts(ports);
    ports.signal.throwIfAborted();
    if (isHoldfastError(error, "NOT_FOUND")) throw error;
    ports.log.warn({ err: error }, "a table cannot be restored without the rest; the whole is restored");
    notes = [`The whole server was restored for this table, because it could not be done without the rest: ${asHoldfastError(error).message}`, ...(await outOfWhole(restore))];
  }
  return deliver(restore, notes);
}

async function dump({ ports, phases, target, sqlPath }: TableRestore, sandbox: Sandbox): Promise<void> {
  await phases.run("dump", 0, () => sandbox.dumpTable({ schema: target.schema, table: target.table }, sqlPath, ports.signal));
}

async function alone(restore: TableRestore): Promise<string[]> {
  const { ports, phases, plan, target } = restore;
  const { sandbox, readBytes } = await tableWithoutRest(ports, phases, plan, target);
  try {
    await dump(restore, sandbox);
  } catch (error) {
    await sandbox.stop().catch((stopError: unknown) => {
      ports.log.warn({ err: stopError }, "sandbox did not stop cleanly after a failure");
    });
    throw error;
  }
  await phases.run("stop", 0, () => sandbox.stop());
  const storedBytes = plan.chain.reduce((sum, backup) => backup.packs.reduce((packs, pack) => packs + pack.sizeBytes, sum), 0);
  return [`Only what this table needs was read: ${formatBytes(readBytes)} of the ${formatBytes(storedBytes)} that its backups hold.`];
}

async function outOfWhole(restore: TableRestore): Promise<string[]> {
  const { ports, phases, plan, sqlPath } = restore;
  const places = scratchPlaces(ports);
  const wrong = await prepareChain(ports, phases, await unpackChain(ports, phases, plan.chain, places));
  try {
    await withSandbox(ports, phases, places.dataDir, async (sandbox) => {
      const { segments, start, stop, gaps } = plan;
      if (start !== null && stop !== null) await replayLog(ports, phases, sandbox, { segments, start, stop, gaps });
      await dump(restore, sandbox);
    });
  } catch (error) {
    await removeNoted(ports, [sqlPath]);
    throw error;
  }
  return wrong.map((sentence) => `Elsewhere in this backup: ${sentence}`);
}

async function deliver({ ports, phases, target, sqlPath }: TableRestore, notes: string[]): Promise<Restored> {
  const { into } = target;
  if (into !== undefined) {
    await phases.run("load", 0, () => ports.engine.loadSql(engineContext(ports), { connection: into, schema: target.schema }, sqlPath, ports.signal));
  }
  if (target.sqlPath !== undefined) await rename(sqlPath, target.sqlPath);
  return { targetPath: target.sqlPath ?? `${target.schema}.${target.table}`, server: null, notes };
}

async function requireAbsent(path: string): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (exists) throw new HoldfastError("TARGET_NOT_EMPTY", `${path} already exists; nothing was changed.`, { hint: "Name a file that does not exist." });
}
