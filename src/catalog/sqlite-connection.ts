import { Worker } from "node:worker_threads";
import { type ErrorCode, HoldfastError } from "../lib/errors.ts";
import type { RunResult, SqlValue, ThreadFault, ThreadReply, ThreadRequest, ThreadStart } from "./sqlite-messages.ts";

/** The one connection to the catalog's file, as the program's thread sees it. */
export interface SqliteConnection {
  run(sql: string, parameters: readonly unknown[]): Promise<RunResult>;
  /** Writes everything out and gives the file back. */
  close(): Promise<void>;
}

interface Waiter {
  readonly what: string;
  resolve(result: RunResult): void;
  reject(error: Error): void;
}

/** Primary result codes of https://www.sqlite.org/rescode.html that mean something to a person. */
const CODES: Readonly<Record<number, ErrorCode>> = { 8: "STORAGE_READ_ONLY", 10: "STORAGE_FAILED", 11: "FORMAT_INVALID", 13: "STORAGE_FULL", 14: "STORAGE_FAILED", 26: "FORMAT_INVALID" };
const UNIQUE = new Set([1555, 2067]);

function errorOf(fault: ThreadFault, path: string, what: string): HoldfastError {
  if (fault.locked) {
    return new HoldfastError("ALREADY_RUNNING", `The catalog ${path} is in use by another process.`, {
      hint: "Another `holdfast` works on this state directory: wait until it has ended, or, if it is `holdfast up`, use it: commands find it by themselves.",
    });
  }
  const code = fault.errcode === null ? "INTERNAL" : UNIQUE.has(fault.errcode) ? "CONFLICT" : (CODES[fault.errcode & 0xff] ?? "INTERNAL");
  return new HoldfastError(code, `The catalog ${path} refused a statement: ${fault.message}.`, { details: { statement: what, sqliteCode: fault.errcode } });
}

/** A value as SQLite takes it; TypeError for what would be rounded or lost. */
function bindable(value: unknown): SqlValue {
  if (value === null || typeof value === "string" || typeof value === "bigint" || value instanceof Uint8Array) return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value !== "number") throw new TypeError(`the catalog cannot hold a ${typeof value}`);
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new TypeError(`${String(value)} is beyond 2^53: give it as a bigint`);
  return value;
}

/**
 * Opens the file in a thread of its own. ALREADY_RUNNING when another process has it; STORAGE_READ_ONLY, STORAGE_FULL,
 * STORAGE_FAILED or FORMAT_INVALID when the file cannot be used.
 */
export async function connectSqlite(options: ThreadStart): Promise<SqliteConnection> {
  const worker = new Worker(new URL("./sqlite-thread.ts", import.meta.url), { workerData: options, name: "catalog", execArgv: [] });
  const waiters = new Map<number, Waiter>();
  let lastId = 0;
  let dead: HoldfastError | undefined;
  const die = (error: HoldfastError): void => {
    dead ??= error;
    for (const waiter of waiters.values()) waiter.reject(dead);
    waiters.clear();
  };
  worker.on("message", (reply: ThreadReply) => {
    const waiter = waiters.get(reply.id);
    waiters.delete(reply.id);
    if (reply.ok) waiter?.resolve(reply.result);
    else waiter?.reject(errorOf(reply.fault, options.path, waiter.what));
  });
  worker.on("error", (error: Error) => die(new HoldfastError("INTERNAL", `The catalog's thread failed: ${error.message}.`, { cause: error })));
  worker.on("exit", () => die(new HoldfastError("INTERNAL", `The catalog ${options.path} is closed.`)));

  const expect = (id: number, what: string): Promise<RunResult> =>
    new Promise((resolve, reject) => {
      waiters.set(id, { what, resolve, reject });
    });
  const ask = (what: string, request: (id: number) => ThreadRequest): Promise<RunResult> => {
    if (dead !== undefined) return Promise.reject(dead);
    lastId += 1;
    const answer = expect(lastId, what);
    worker.postMessage(request(lastId));
    return answer;
  };
  await expect(0, "open");
  return {
    run: async (sql, parameters) => {
      const bound = parameters.map(bindable);
      return ask(sql, (id) => ({ id, kind: "run", sql, parameters: bound }));
    },
    close: async () => {
      if (dead !== undefined) return;
      const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
      await ask("close", (id) => ({ id, kind: "close" }));
      await ended;
    },
  };
}
