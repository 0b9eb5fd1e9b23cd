import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../../../lib/errors.ts";
import { runTool } from "../../../lib/process.ts";
import type { IndexedFile } from "../../../model/backup-index.ts";
import type { EngineContext, Sandbox, TableRequest, Unpacked } from "../../engine.ts";
import { giveTree } from "../ownership.ts";
import { prepare } from "../prepare.ts";
import { type MysqlSandbox, startSandbox } from "../sandbox.ts";
import { tablesBelongingTo, type TableSet } from "./dictionary.ts";
import { type LogNames, readLogNames } from "./log-names.ts";
import { nameKey, type TableName } from "./named-together.ts";
import { canBeFiltered } from "./replay-filter.ts";
import { requireWholeTables } from "./table-checks.ts";
import { type ChainSelection, serverFiles, tableFiles } from "./table-files.ts";

/** Schemas whose tables are changed by other statements than those that name them. */
const OWN_SCHEMAS = new Set(["mysql", "sys", "performance_schema", "information_schema"]);
/** From this share of the tables' bytes on, leaving out the rest is not worth its risks. */
const NEARLY_ALL = 0.9;
/** Of less than this it does not matter how much is read. */
const WORTH_BYTES = 64 * 1024 * 1024;
const NO_NAMES: LogNames = { definitions: [], changed: new Set() };

interface Work {
  readonly context: EngineContext;
  readonly request: TableRequest;
  readonly table: TableName;
  readonly names: LogNames;
  readonly signal: AbortSignal;
}

/**
 * One table without the rest, in two steps. First a server on the system files alone: InnoDB's dictionary tells which
 * other tables belong to the wanted one, whether their files are there or not. Then the same files, as they came, with
 * those of the tables. Neither prepare nor the server says when a needed file is missing, and a filtered replay can end
 * well and be wrong: so every table is checked before and after, and what cannot be proven is REFUSED.
 */
export async function startTableSandbox(context: EngineContext, request: TableRequest, signal: AbortSignal): Promise<Sandbox> {
  const variables = request.chain.at(-1)?.index.server.variables ?? {};
  // 1 and 2: the server compares names without regard to case.
  const fold = (variables["lower_case_table_names"] ?? "0") !== "0";
  const { schema, table } = request.table;
  const work: Work = {
    context,
    request,
    table: fold ? { schema: schema.toLowerCase(), table: table.toLowerCase() } : { schema, table },
    names: request.log === null ? NO_NAMES : await readLogNames(request.log, fold, signal),
    signal,
  };
  if (OWN_SCHEMAS.has(schema.toLowerCase())) throw new HoldfastError("REFUSED", `${schema} is the server's own schema: its tables are changed by statements that do not name them.`);
  const dirs = await partDirs(context, request, "part");
  const base = serverFiles(request.chain.map(({ index }) => index.files));
  await extract(work, base, dirs);
  const set = await askDictionary(work, base, dirs);
  const own = await filesOf(work, set);
  requireWorth(work, base, own);
  await extract(work, own, dirs);
  return startOn(work, { set, dirs, selection: base.map((files, number) => [...files, ...(own[number] ?? [])]) });
}

async function partDirs(context: EngineContext, request: TableRequest, name: string): Promise<string[]> {
  const root = join(context.scratchDir, name);
  await mkdir(root, { mode: 0o711 });
  const dirs = request.chain.map((_, number) => join(root, String(number)));
  for (const dir of dirs) await mkdir(dir, { mode: 0o700 });
  return dirs;
}

async function extract({ context, request }: Work, selection: ChainSelection, dirs: readonly string[]): Promise<void> {
  for (const [number, files] of selection.entries()) {
    const dir = dirs[number] ?? "";
    await request.extract(number, files, dir);
    await giveTree(dir, context.sandboxUser);
  }
}

/** Works on a copy: the files themselves are prepared only once, with the tables among them. */
async function askDictionary(work: Work, base: ChainSelection, dirs: readonly string[]): Promise<TableSet> {
  const { context, request, table, names, signal } = work;
  const copies = await partDirs(context, request, "dict");
  try {
    return await request.step("dictionary", async () => {
      for (const [number, dir] of dirs.entries()) await runTool({ file: "cp", args: ["-a", "--reflink=auto", "--", `${dir}/.`, copies[number] ?? ""], signal });
      await prepareParts(work, base, copies);
      return withStopped(await startSandbox(context, copies[0] ?? "", signal), (sandbox) => sandbox.ask((session) => tablesBelongingTo(session, table, names.definitions)));
    });
  } finally {
    await rm(join(context.scratchDir, "dict"), { recursive: true, force: true });
  }
}

async function withStopped<T>(sandbox: MysqlSandbox, task: (sandbox: MysqlSandbox) => Promise<T>): Promise<T> {
  try {
    return await task(sandbox);
  } finally {
    await sandbox.stop();
  }
}

/** The prepare of whole chains; its comparison with the index is limited to what was taken. */
async function prepareParts({ context, request, signal }: Work, selection: ChainSelection, dirs: readonly string[]): Promise<void> {
  const chain: Unpacked[] = request.chain.map((backup, number) => ({
    ...backup,
    dir: dirs[number] ?? "",
    index: { ...backup.index, files: (selection[number] ?? []).map(({ file, path }): IndexedFile => ({ ...file, path })) },
  }));
  const wrong = await prepare(context, chain, signal);
  if (wrong.length > 0) throw new HoldfastError("REFUSED", `The parts of the chain do not make a whole: ${wrong.slice(0, 3).join(" ")}`);
}

/** The files of the set. Throws NOT_FOUND when neither the backup nor the log knows the table. */
async function filesOf({ request, table, names }: Work, set: TableSet): Promise<ChainSelection> {
  const selection = tableFiles(request.chain.map(({ index }) => index.files), set.files, set.hidden);
  const wanted = set.files[0];
  const isThere = selection.at(-1)?.some(({ path }) => wanted !== undefined && path.replace(/[.#].*$/s, "") === `${wanted.dir}/${wanted.base}`) === true;
  const isInLog = names.changed.has(nameKey(table)) || names.definitions.some((tables) => tables.some((name) => nameKey(name) === nameKey(table)));
  if (isThere || isInLog) return selection;
  throw new HoldfastError("NOT_FOUND", `There is no table ${table.schema}.${table.table} in the restored data.`, { hint: "Check the spelling, or choose an instant at which it existed." });
}

/** Nothing is won when the table with all that belongs to it is nearly everything besides the system files. */
function requireWorth({ request }: Work, base: ChainSelection, own: ChainSelection): void {
  const sizeOf = (files: readonly IndexedFile[]): number => files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const sizeOfAll = (selection: ChainSelection): number => sizeOf(selection.flat().map(({ file }) => file));
  const othersBytes = sizeOf(request.chain.flatMap(({ index }) => index.files)) - sizeOfAll(base);
  if (sizeOfAll(own) <= NEARLY_ALL * othersBytes || othersBytes < WORTH_BYTES) return;
  throw new HoldfastError("REFUSED", `The table with all that belongs to it is ${String(Math.round((100 * sizeOfAll(own)) / othersBytes))} % of all tables.`);
}

async function startOn(work: Work, parts: { set: TableSet; dirs: readonly string[]; selection: ChainSelection }): Promise<Sandbox> {
  const { context, request, signal } = work;
  const { set, dirs, selection } = parts;
  await request.step("prepare", () => prepareParts(work, selection, dirs));
  const sandbox = await request.step("start", () => startSandbox(context, dirs[0] ?? "", signal));
  try {
    const { log } = request;
    await request.step("check", () => sandbox.ask((session) => requireWholeTables(session, set.names, signal)));
    if (log !== null) {
      // What stands in a definition beside the table may be no table at all: only the odd names that are one matter.
      const tables = set.names.filter((name) => canBeFiltered(name) || isTable(name, work, set));
      await request.step("replay", () => sandbox.replayTables(tables, { logFiles: log.files, start: log.start, stop: log.stop }, signal));
      await request.step("check", () => sandbox.ask((session) => requireWholeTables(session, set.names, signal)));
    }
    return sandbox;
  } catch (error) {
    await sandbox.stop().catch((stopError: unknown) => {
      context.log.warn({ err: stopError }, "sandbox did not stop cleanly after a failure");
    });
    throw error;
  }
}

function isTable(name: TableName, { names, table, request }: Work, set: TableSet): boolean {
  const file = set.files[set.names.findIndex((each) => nameKey(each) === nameKey(name))];
  const isInBackup = request.chain.at(-1)?.index.files.some(({ path }) => file !== undefined && path === `${file.dir}/${file.base}.frm`) === true;
  return isInBackup || names.changed.has(nameKey(name)) || nameKey(name) === nameKey(table);
}
