import { type Connection, createConnection } from "mysql2/promise";
import { connectError, statementError } from "./connect-errors.ts";
import { type MysqlConnection, resolvePassword } from "./options.ts";

/** One row of an answer: every value as the text the server sent, or null. Big numbers and times stay exact. */
export type Row = Record<string, string | null>;

export type SqlValue = string | number | bigint | boolean | null;

/** One login to a server. Statements run one after another; every failure is a HoldfastError (see connect-errors.ts). */
export interface Session {
  /** Rows of one statement; `?` stand for the values. */
  rows(sql: string, values?: readonly SqlValue[]): Promise<Row[]>;
  /** The first row, or null when there is none. */
  row(sql: string, values?: readonly SqlValue[]): Promise<Row | null>;
  /** A statement without an answer. */
  run(sql: string, values?: readonly SqlValue[]): Promise<void>;
  /** Version text of the server. */
  readonly serverVersion: string;
  /** Ends the session politely; never throws. */
  close(): Promise<void>;
}

export interface ConnectOptions {
  /** When it aborts, the connection is cut and the running statement fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly connectTimeoutMs?: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
const LOCK_WAIT_S = 60;

/** Quotes an identifier of any spelling: blanks, quotes, backticks, line breaks. */
export function quoteId(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}

/** `schema`.`name`, quoted. */
export function quoteName(schema: string, name: string): string {
  return `${quoteId(schema)}.${quoteId(name)}`;
}

/** Logs in. Throws DATABASE_UNREACHABLE, DATABASE_LOGIN or the signal's reason. */
export async function openSession(connection: MysqlConnection, options: ConnectOptions = {}): Promise<Session> {
  options.signal?.throwIfAborted();
  const password = await resolvePassword(connection);
  const raw = await createConnection({
    ...(connection.socket === undefined ? { host: connection.host ?? "localhost", port: connection.port ?? 3306 } : { socketPath: connection.socket }),
    user: connection.user,
    ...(password === undefined ? {} : { password }),
    charset: "utf8mb4",
    timezone: "Z",
    supportBigNumbers: true,
    bigNumberStrings: true,
    multipleStatements: false,
    connectTimeout: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    typeCast: (field) => field.string("utf8"),
  }).catch((cause: unknown) => {
    throw connectError(cause, connection);
  });
  // Without a listener a connection that the server cuts between two statements would end the process.
  raw.on("error", () => undefined);
  return prepared(raw, connection, options.signal);
}

/** Runs `work` with a session and closes it whatever happens. */
export async function withConnection<T>(connection: MysqlConnection, work: (session: Session) => Promise<T>, options: ConnectOptions = {}): Promise<T> {
  const session = await openSession(connection, options);
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

async function prepared(raw: Connection, connection: MysqlConnection, signal: AbortSignal | undefined): Promise<Session> {
  const cut = (): void => {
    raw.destroy();
  };
  signal?.addEventListener("abort", cut, { once: true });
  const ask = async (sql: string, values: readonly SqlValue[] = []): Promise<Row[]> => {
    try {
      const [rows] = await raw.query(sql, [...values]);
      return Array.isArray(rows) ? (rows as unknown as Row[]) : [];
    } catch (cause) {
      signal?.throwIfAborted();
      throw statementError(cause, sql, connection);
    }
  };
  const session = sessionOf(raw, ask, () => signal?.removeEventListener("abort", cut));
  try {
    const [answer] = await ask("SELECT VERSION() AS version");
    const serverVersion = answer?.["version"] ?? "";
    await ask(sessionSettings(serverVersion));
    return { ...session, serverVersion };
  } catch (error) {
    await session.close();
    throw error;
  }
}

/**
 * A server-wide sql_mode or time zone must change neither how we quote nor what SHOW CREATE prints; a limit on
 * statements must not end the count of a big table; a lock that somebody holds must not stop us for ever.
 */
function sessionSettings(serverVersion: string): string {
  const untimed = /mariadb/i.test(serverVersion) ? ", max_statement_time = 0" : "";
  return `SET SESSION sql_mode = '', time_zone = '+00:00', sql_quote_show_create = 1, lock_wait_timeout = ${String(LOCK_WAIT_S)}, innodb_lock_wait_timeout = ${String(LOCK_WAIT_S)}${untimed}`;
}

function sessionOf(raw: Connection, ask: (sql: string, values?: readonly SqlValue[]) => Promise<Row[]>, closed: () => void): Omit<Session, "serverVersion"> {
  return {
    rows: ask,
    row: async (sql, values) => (await ask(sql, values))[0] ?? null,
    run: async (sql, values) => {
      await ask(sql, values);
    },
    close: async () => {
      closed();
      await raw.end().catch(() => {
        raw.destroy();
      });
    },
  };
}
