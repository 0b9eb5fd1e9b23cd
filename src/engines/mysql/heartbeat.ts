import { quoteId, type Session } from "./connect.ts";
import { sqlErrno } from "./connect-errors.ts";

/** Holdfast's own schema in the source: left out of digests and counts. */
export const HOLDFAST_SCHEMA = "holdfast";

const TABLE = `${quoteId(HOLDFAST_SCHEMA)}.${quoteId("heartbeat")}`;
/** No such schema, no such table, and the answers to an account that may not even know. */
const ABSENT_ERRNOS: ReadonlySet<number> = new Set([1049, 1146, 1044, 1142]);

/** Makes the marker's schema and table where they are missing; throws PRIVILEGE_MISSING, or INTERNAL on a read-only server. */
export async function ensureHeartbeat(session: Session): Promise<void> {
  if (await heartbeatExists(session)) return;
  await session.run(`CREATE DATABASE IF NOT EXISTS ${quoteId(HOLDFAST_SCHEMA)}`);
  await session.run(
    `CREATE TABLE IF NOT EXISTS ${TABLE} (id TINYINT NOT NULL PRIMARY KEY, value VARCHAR(64) CHARACTER SET ascii NOT NULL, written_at DATETIME(6) NOT NULL) ENGINE=InnoDB`,
  );
}

async function heartbeatExists(session: Session): Promise<boolean> {
  const found = await session.row("SELECT 1 AS found FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'heartbeat'", [HOLDFAST_SCHEMA]);
  return found !== null;
}

/** Writes the marker row; the table must exist. Goes through the log like any other row, so that a replay must bring it back. */
export async function writeHeartbeat(session: Session, value: string): Promise<void> {
  await session.run(`INSERT INTO ${TABLE} (id, value, written_at) VALUES (1, ?, UTC_TIMESTAMP(6)) ON DUPLICATE KEY UPDATE value = VALUES(value), written_at = VALUES(written_at)`, [value]);
}

/** The marker row's value; null when there is none or it may not be read. */
export async function readHeartbeat(session: Session): Promise<string | null> {
  try {
    const row = await session.row(`SELECT value FROM ${TABLE} WHERE id = 1`);
    return row?.["value"] ?? null;
  } catch (error) {
    if (ABSENT_ERRNOS.has(sqlErrno(error) ?? 0)) return null;
    throw error;
  }
}
