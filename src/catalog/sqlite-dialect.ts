import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import { HoldfastError } from "../lib/errors.ts";
import type { SqliteConnection } from "./sqlite-connection.ts";

class ThreadConnection implements DatabaseConnection {
  readonly #connection: SqliteConnection;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { rows, changes } = await this.#connection.run(query.sql, query.parameters);
    return { rows: rows as R[], numAffectedRows: changes };
  }

  // eslint-disable-next-line require-yield -- the interface asks for a generator
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new HoldfastError("INTERNAL", "The catalog does not stream rows: ask for a page.");
  }
}

/**
 * One connection. The adapter says so, and Kysely then lets one statement or transaction in at a time: there is no busy
 * error and no retry to write. Inside a transaction use its own `db`, never the catalog's: that would wait for itself.
 */
class ThreadDriver implements Driver {
  readonly #connection: SqliteConnection;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  async init(): Promise<void> {
    await Promise.resolve();
  }

  async acquireConnection(): Promise<ThreadConnection> {
    return new ThreadConnection(this.#connection);
  }

  async releaseConnection(): Promise<void> {
    await Promise.resolve();
  }

  async beginTransaction(connection: ThreadConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("begin immediate"));
  }

  async commitTransaction(connection: ThreadConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("commit"));
  }

  async rollbackTransaction(connection: ThreadConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw("rollback"));
  }

  async destroy(): Promise<void> {
    await this.#connection.close();
  }
}

/** Kysely over the catalog's thread. */
export function sqliteDialect(connection: SqliteConnection): Dialect {
  return {
    createDriver: () => new ThreadDriver(connection),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createAdapter: () => new SqliteAdapter(),
    createIntrospector: (db: Kysely<unknown>) => new SqliteIntrospector(db),
  };
}
