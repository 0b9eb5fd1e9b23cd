import { open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { requireSuccess, startTool } from "../../lib/process.ts";
import { quoteId, type Session } from "./connect.ts";
import { asHoldfastError, HoldfastError } from "../../lib/errors.ts";
import { syncFolder } from "../../lib/folders.ts";
import { findTool, knownOptions } from "./tools.ts";

export interface DumpRequest {
  readonly schema: string;
  readonly table: string;
  /** Must not exist. */
  readonly sqlPath: string;
  /** Option file with the login. */
  readonly defaultsFile: string;
  readonly signal: AbortSignal;
}

/**
 * Writes one table with its triggers as SQL of mode 0600, synced. The file makes the schema when it is missing and uses
 * it. It never drops: loaded where a table of that name exists, it fails at once instead of replacing it.
 * Throws NOT_FOUND, TARGET_NOT_EMPTY when the file exists, TOOL_FAILED.
 */
export async function dumpTable(session: Session, request: DumpRequest): Promise<void> {
  const { schema, table, sqlPath } = request;
  const kind = await tableKind(session, schema, table);
  const file = await open(sqlPath, "wx", 0o600).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    throw new HoldfastError("TARGET_NOT_EMPTY", `${sqlPath} already exists; nothing was changed.`, { cause, hint: "Name a file that does not exist." });
  });
  try {
    await file.writeFile(await schemaStatements(session, schema));
    await writeDump(request, kind, (dump) =>
      pipeline(
        dump,
        async (chunks: AsyncIterable<Buffer>) => {
          for await (const chunk of chunks) await file.writeFile(chunk);
        },
        { signal: request.signal },
      ),
    );
    await file.sync();
  } catch (error) {
    await rm(sqlPath, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await syncFolder(dirname(sqlPath));
}

async function tableKind(session: Session, schema: string, table: string): Promise<string> {
  const row = await session.row("SELECT TABLE_TYPE AS k FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", [schema, table]);
  if (row !== null) return row["k"] ?? "";
  throw new HoldfastError("NOT_FOUND", `There is no table ${schema}.${table} in the restored data.`, { hint: "Check the spelling, or choose an instant at which it existed." });
}

async function schemaStatements(session: Session, schema: string): Promise<string> {
  const row = await session.row(`SHOW CREATE DATABASE IF NOT EXISTS ${quoteId(schema)}`);
  const statement = row?.["Create Database"] ?? `CREATE DATABASE IF NOT EXISTS ${quoteId(schema)}`;
  return `SET NAMES utf8mb4;\n${statement};\nUSE ${quoteId(schema)};\n`;
}

async function writeDump(request: DumpRequest, kind: string, write: (dump: Readable) => Promise<void>): Promise<void> {
  const dumper = await findTool("mariadb-dump");
  const history = kind === "SYSTEM VERSIONED" && (await knownOptions(dumper)).has("dump-history") ? ["--dump-history"] : [];
  const tool = startTool({
    file: dumper.file,
    // Names stand after `--`, so that one beginning with a dash is no option. Comments would hold names, and those line breaks.
    args: [`--defaults-file=${request.defaultsFile}`, ...DUMP_OPTIONS, ...history, "--", request.schema, request.table],
    signal: request.signal,
  });
  const fault = await write(tool.stdout).then(
    () => undefined,
    (error: unknown) => {
      tool.kill("SIGTERM");
      return asHoldfastError(error);
    },
  );
  const exit = await tool.exited;
  request.signal.throwIfAborted();
  if (fault !== undefined) throw new HoldfastError("TOOL_FAILED", `The dump of ${request.schema}.${request.table} could not be written to ${request.sqlPath}: ${fault.message}`, { cause: fault });
  requireSuccess(tool, exit, request.signal);
}

const DUMP_OPTIONS = [
  "--single-transaction",
  "--skip-lock-tables",
  "--hex-blob",
  "--triggers",
  "--skip-routines",
  "--skip-events",
  "--skip-add-drop-table",
  "--skip-comments",
  "--max-allowed-packet=1G",
  "--default-character-set=utf8mb4",
];
