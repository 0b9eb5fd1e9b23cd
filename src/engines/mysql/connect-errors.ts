import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import type { MysqlConnection } from "./options.ts";

/** What the driver throws: `code` for people, `errno` as the server's number. */
interface DriverError extends Error {
  readonly code?: string;
  readonly errno?: number;
  readonly sqlState?: string;
}

/** Access denied in its forms: wrong password, host not allowed, plugin refused, locked, password expired. */
const LOGIN_ERRNOS: ReadonlySet<number> = new Set([1045, 1130, 1251, 1524, 1698, 1820, 1862, 2059, 3118, 4151]);
/** The account lacks a right: on a schema, table, column, routine or as a whole. */
const PRIVILEGE_ERRNOS: ReadonlySet<number> = new Set([1044, 1142, 1143, 1227, 1370, 1410, 1419]);
/** The server is there but takes nobody, or ended the session: too many connections, shutdown, killed. */
const UNAVAILABLE_ERRNOS: ReadonlySet<number> = new Set([1040, 1053, 1129, 1203, 1226, 1927]);
const NETWORK_CODES: ReadonlySet<string> = new Set([
  "ECONNREFUSED", "ECONNRESET", "ENOENT", "EACCES", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND", "EAI_AGAIN", "EPIPE", "PROTOCOL_CONNECTION_LOST", "HANDSHAKE_NO_SSL_SUPPORT",
]);

/** The server's own error number behind a HoldfastError of this engine, or null. */
export function sqlErrno(error: unknown): number | null {
  if (!isHoldfastError(error)) return null;
  const errno = error.details["errno"];
  return typeof errno === "number" ? errno : null;
}

/** Where a connection leads, for messages. */
export function placeOf(connection: Pick<MysqlConnection, "host" | "port" | "socket">): string {
  return connection.socket ?? `${connection.host ?? "localhost"}:${String(connection.port ?? 3306)}`;
}

/** The error of a login that failed. */
export function connectError(cause: unknown, connection: MysqlConnection): HoldfastError {
  if (isHoldfastError(cause)) return cause;
  const error = cause as DriverError;
  const place = placeOf(connection);
  if (isUnavailable(error)) {
    return new HoldfastError("DATABASE_UNREACHABLE", `The database server at ${place} cannot be reached: ${textOf(error)}.`, { cause, details: detailsOf(error) });
  }
  return new HoldfastError("DATABASE_LOGIN", `The database server at ${place} refuses the user ${connection.user}: ${textOf(error)}.`, {
    cause,
    details: detailsOf(error),
  });
}

/** The error of a statement that failed. The statement's first words are named; values never are. */
export function statementError(cause: unknown, sql: string, connection: MysqlConnection): HoldfastError {
  const error = cause as DriverError;
  const options = { cause, details: detailsOf(error) };
  const place = placeOf(connection);
  const statement = sql.replace(/\s+/g, " ").slice(0, 120);
  if (isUnavailable(error)) {
    return new HoldfastError("DATABASE_UNREACHABLE", `The connection to the database server at ${place} was lost in "${statement}": ${textOf(error)}.`, options);
  }
  if (LOGIN_ERRNOS.has(error.errno ?? 0)) {
    return new HoldfastError("DATABASE_LOGIN", `The database server at ${place} refuses the user ${connection.user}: ${textOf(error)}.`, options);
  }
  if (PRIVILEGE_ERRNOS.has(error.errno ?? 0)) {
    return new HoldfastError("PRIVILEGE_MISSING", `The user ${connection.user} at ${place} may not run "${statement}": ${textOf(error)}.`, {
      ...options,
      hint: "Probe the instance; the report shows the GRANT statements to run.",
    });
  }
  return new HoldfastError("INTERNAL", `The database server at ${place} refused "${statement}": ${textOf(error)}.`, options);
}

function isUnavailable(error: DriverError): boolean {
  return UNAVAILABLE_ERRNOS.has(error.errno ?? 0) || NETWORK_CODES.has(error.code ?? "");
}

function textOf(error: DriverError): string {
  const text = error.message === "" ? (error.code ?? error.name) : error.message;
  return text.replace(/[.\s]+$/, "");
}

function detailsOf(error: DriverError): Record<string, unknown> {
  return { errno: error.errno ?? null, sqlState: error.sqlState ?? null };
}
