import { DatabaseSync, type StatementSync } from "node:sqlite";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { takeProcessLock } from "../lib/process-lock.ts";
import type { RunResult, SqlValue, ThreadFault, ThreadReply, ThreadRequest, ThreadStart } from "./sqlite-messages.ts";

/**
 * The thread in which SQLite lives: `node:sqlite` is synchronous, and a slow fsync must not hold up the API. One
 * connection, statements in the order in which they arrive.
 */
const STATEMENT_LIMIT = 500;
const SQLITE_BUSY = 5;

interface Opened {
  readonly database: DatabaseSync;
  readonly lock: DatabaseSync;
}

function faultOf(error: unknown, locked = false): ThreadFault {
  const code: unknown = error instanceof Error && "errcode" in error ? error.errcode : null;
  return { message: error instanceof Error ? error.message : String(error), errcode: typeof code === "number" ? code : null, locked };
}

function openFile({ path, busyTimeoutMs }: ThreadStart): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: busyTimeoutMs });
  database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;");
  return database;
}

/** A whole number as `number` where that is exact; a `bigint` stays one, so that nothing is ever rounded. */
function exactRow(row: Record<string, SqlValue>): Record<string, SqlValue> {
  const exact: Record<string, SqlValue> = {};
  for (const [name, value] of Object.entries(row)) {
    const small = typeof value === "bigint" && value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER;
    exact[name] = small ? Number(value) : value;
  }
  return exact;
}

/** Prepared statements, the least recently used ones dropped. */
function statementCache(database: DatabaseSync): (sql: string) => StatementSync {
  const statements = new Map<string, StatementSync>();
  return (sql) => {
    const known = statements.get(sql);
    statements.delete(sql);
    const statement = known ?? database.prepare(sql);
    statement.setReadBigInts(true);
    statements.set(sql, statement);
    const [oldest] = statements.keys();
    if (statements.size > STATEMENT_LIMIT && oldest !== undefined) statements.delete(oldest);
    return statement;
  };
}

function run(statement: StatementSync, parameters: readonly SqlValue[]): RunResult {
  if (statement.columns().length > 0) {
    const rows = statement.all(...parameters) as Record<string, SqlValue>[];
    return { rows: rows.map(exactRow), changes: 0n };
  }
  return { rows: [], changes: BigInt(statement.run(...parameters).changes) };
}

const NOTHING: RunResult = { rows: [], changes: 0n };

/**
 * SQLite itself undoes a transaction when the disk is full or fails
 * (https://www.sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction). The rollback that follows
 * would then fail as well, and its error would hide the one that counts.
 */
function isUndone(database: DatabaseSync, sql: string): boolean {
  return sql === "rollback" && !database.isTransaction;
}

function serve(port: MessagePort, { database, lock }: Opened): void {
  const prepare = statementCache(database);
  const reply = (message: ThreadReply): void => port.postMessage(message);
  port.on("message", (request: ThreadRequest) => {
    try {
      if (request.kind === "run") {
        reply({ id: request.id, ok: true, result: isUndone(database, request.sql) ? NOTHING : run(prepare(request.sql), request.parameters) });
        return;
      }
      database.close();
      lock.close();
      reply({ id: request.id, ok: true, result: { rows: [], changes: 0n } });
      port.close();
    } catch (error) {
      reply({ id: request.id, ok: false, fault: faultOf(error) });
    }
  });
}

function start(port: MessagePort, options: ThreadStart): void {
  let lock: DatabaseSync | undefined;
  try {
    lock = takeProcessLock(options.lockPath);
    const database = openFile(options);
    serve(port, { database, lock });
    port.postMessage({ id: 0, ok: true, result: { rows: [], changes: 0n } } satisfies ThreadReply);
  } catch (error) {
    const fault = faultOf(error);
    // Only the first lock can be held by another process: whoever has it has the catalog for itself.
    const locked = lock === undefined && fault.errcode !== null && (fault.errcode & 0xff) === SQLITE_BUSY;
    lock?.close();
    port.postMessage({ id: 0, ok: false, fault: { ...fault, locked } } satisfies ThreadReply);
    port.close();
  }
}

if (parentPort !== null) start(parentPort, workerData as ThreadStart);
