import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { CamelCasePlugin, Kysely } from "kysely";
import { HoldfastError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { migrate } from "./migrate.ts";
import type { CatalogDb, CatalogSchema } from "./schema.ts";
import { connectSqlite } from "./sqlite-connection.ts";
import { sqliteDialect } from "./sqlite-dialect.ts";

export interface Catalog {
  readonly db: CatalogDb;
  /** Writes everything out and lets another process have it. */
  close(): Promise<void>;
}

const BUSY_TIMEOUT_MS = 5_000;

/**
 * Opens, or creates, the embedded catalog and brings it to this version's form. One process at a time: ALREADY_RUNNING
 * otherwise. The lock is `lock.db` in the same directory, so it stands for the whole state directory.
 */
export async function openCatalog(options: { path: string; log: Log }): Promise<Catalog> {
  const { path, log } = options;
  createPrivately(path);
  const connection = await connectSqlite({ path, lockPath: join(dirname(path), "lock.db"), busyTimeoutMs: BUSY_TIMEOUT_MS });
  const db = new Kysely<CatalogSchema>({ dialect: sqliteDialect(connection), plugins: [new CamelCasePlugin()] });
  try {
    await migrate(db as unknown as Kysely<unknown>);
  } catch (error) {
    await connection.close();
    throw error;
  }
  log.debug({ path }, "catalog open");
  let closed: Promise<void> | undefined;
  return {
    db,
    close: () => {
      // Kysely does not connect before the first statement, nor close what it did not open.
      closed ??= db.destroy().then(() => connection.close());
      return closed;
    },
  };
}

/** Connections of instances are in it: nobody but the owner reads it, from the first byte. SQLite gives its side files the same mode. */
function createPrivately(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, "a", 0o600));
  } catch (error) {
    throw new HoldfastError("STORAGE_FAILED", `The catalog ${path} cannot be created: ${error instanceof Error ? error.message : String(error)}.`, {
      cause: error,
      hint: "Make the state directory writable for the user Holdfast runs as.",
    });
  }
}

/** Runs `body` in a transaction: a new one, or the one that `db` already is. */
export function inTransaction<T>(db: CatalogDb, body: (db: CatalogDb) => Promise<T>): Promise<T> {
  return db.isTransaction ? body(db) : db.transaction().execute((transaction) => body(transaction));
}
