import { HoldfastError, isHoldfastError } from "../../../lib/errors.ts";
import { sqlErrno } from "../connect-errors.ts";
import { type Session, withConnection } from "../connect.ts";
import { readDataIdentity } from "../identity.ts";
import type { MysqlConnection } from "../options.ts";
import { grantStatement, readPrivileges } from "../privileges.ts";
import { readServerFacts } from "../server-facts.ts";

export interface ServerLogFile {
  readonly name: string;
  readonly sizeBytes: number;
}

/** What the follower asks the server itself, beside the stream. */
export interface ServerLog {
  readonly dataIdentity: string;
  /** Oldest first. */
  readonly files: readonly ServerLogFile[];
}

const NO_BINARY_LOGGING = 1381;
const ASK_TIMEOUT_MS = 60_000;

/**
 * Reads the server's list of log files and the identity of its data. Throws DATABASE_UNREACHABLE, DATABASE_LOGIN,
 * PRIVILEGE_MISSING with the GRANT, TIMEOUT, or DATABASE_UNSUITABLE when it keeps no log.
 */
export async function readServerLog(connection: MysqlConnection, signal: AbortSignal): Promise<ServerLog> {
  return withinTime(connection, signal, async (session) => {
    const files = await listFiles(session);
    return { files, dataIdentity: await readDataIdentity(session, await readServerFacts(session, connection)) };
  });
}

/** Throws PRIVILEGE_MISSING with the GRANT when the account may not read the log as a replica does. */
export async function requireReplication(connection: MysqlConnection, signal: AbortSignal): Promise<void> {
  await withinTime(connection, signal, async (session) => {
    const { account, global } = await readPrivileges(session);
    if (!global.has("ALL") && !global.has("REPLICATION SLAVE")) throw lacks(account, "may not read the binary log as a replica");
  });
}

async function listFiles(session: Session): Promise<ServerLogFile[]> {
  const rows = await session.rows("SHOW BINARY LOGS").catch(async (cause: unknown) => {
    if (sqlErrno(cause) === NO_BINARY_LOGGING) {
      throw new HoldfastError("DATABASE_UNSUITABLE", "The server keeps no binary log, so there is nothing to follow.", { cause, hint: "Set log_bin and server_id in the server's configuration and restart it." });
    }
    if (isHoldfastError(cause, "PRIVILEGE_MISSING")) throw lacks((await readPrivileges(session)).account, "may not list the binary log's files", cause);
    throw cause;
  });
  return rows.map((row) => ({ name: row["Log_name"] ?? "", sizeBytes: Number(row["File_size"] ?? "0") })).filter((file) => file.name !== "");
}

function lacks(account: string, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError("PRIVILEGE_MISSING", `The account ${account} ${what}.`, {
    hint: `Run on the server: ${grantStatement({ account }, ["REPLICATION SLAVE", "BINLOG MONITOR"], null)}`,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** SHOW BINARY LOGS waits while a huge transaction is written: a bound keeps the follower awake; a timeout is tried again. */
async function withinTime<T>(connection: MysqlConnection, signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
  const timeout = AbortSignal.timeout(ASK_TIMEOUT_MS);
  try {
    return await withConnection(connection, work, { signal: AbortSignal.any([signal, timeout]) });
  } catch (cause) {
    if (!timeout.aborted || signal.aborted) throw cause;
    throw new HoldfastError("TIMEOUT", `The server did not list its log files within ${String(ASK_TIMEOUT_MS / 1_000)} s.`, { cause });
  }
}
