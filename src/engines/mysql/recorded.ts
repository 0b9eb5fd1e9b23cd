import { isHoldfastError } from "../../lib/errors.ts";
import type { TableCount } from "../../model/backup-index.ts";
import type { RowCounts } from "../../model/policy.ts";
import type { LogPosition } from "../../model/position.ts";
import type { Session } from "./connect.ts";
import { sqlErrno } from "./connect-errors.ts";
import { countRows, listTables, type TableInfo, tablesToCount } from "./counts.ts";
import { readHeartbeat, writeHeartbeat } from "./heartbeat.ts";
import { isLogged, readLogFilters } from "./log-filters.ts";
import type { ServerFacts } from "./server-facts.ts";

/** Row counts and the marker as they are at one place in the log: what a replay to there must bring back. */
export interface Recorded {
  readonly position: LogPosition | null;
  readonly counts: TableCount[];
  readonly heartbeat: string | null;
  readonly omissions: string[];
}

export interface RecordOptions {
  readonly rowCounts: RowCounts;
  /** Written just before the snapshot; null when nothing may be written. */
  readonly heartbeatValue: string | null;
  /** Called once the snapshot stands, before the counting. */
  readonly onSnapshot?: () => void;
}

/**
 * Writes the marker, opens a consistent snapshot, asks for its place in the log and counts in it. With a consistent
 * snapshot MariaDB tells exactly which place of the binary log it shows (Binlog_snapshot_file and _position).
 */
export async function record(session: Session, facts: Pick<ServerFacts, "variables">, options: RecordOptions): Promise<Recorded> {
  const omissions: string[] = [];
  const { chosen, omissions: notChosen } = tablesToCount(await replayable(session, facts, omissions), options.rowCounts);
  omissions.push(...notChosen);
  const marked = options.heartbeatValue !== null && (await writeMarker(session, options.heartbeatValue, omissions));
  // Without this level the server opens no snapshot at all, with no more than a warning.
  await session.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  await session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT");
  try {
    const position = await snapshotPosition(session, omissions);
    options.onSnapshot?.();
    const heartbeat = marked ? await readHeartbeat(session) : null;
    await session.run("SAVEPOINT holdfast");
    const counts = await countInSnapshot(session, chosen, omissions);
    return { position: options.rowCounts === "none" && heartbeat === null ? null : position, counts, heartbeat, omissions };
  } finally {
    await session.run("ROLLBACK").catch(() => undefined);
  }
}

/** Tables whose changes are in the log: the rows of others could not be the same after a replay. */
async function replayable(session: Session, facts: Pick<ServerFacts, "variables">, omissions: string[]): Promise<TableInfo[]> {
  const tables = await listTables(session);
  const filters = await readLogFilters(session, facts);
  const logged = filters === null ? tables : tables.filter((table) => isLogged(filters, table.schema));
  if (logged.length < tables.length) omissions.push(`Rows of ${String(tables.length - logged.length)} tables were not counted: the server's log leaves their schemas out.`);
  return logged;
}

async function writeMarker(session: Session, value: string, omissions: string[]): Promise<boolean> {
  try {
    await writeHeartbeat(session, value);
    return true;
  } catch (error) {
    if (isHoldfastError(error, "DATABASE_UNREACHABLE") || sqlErrno(error) === null) throw error;
    omissions.push(`No marker row was written: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

async function snapshotPosition(session: Session, omissions: string[]): Promise<LogPosition | null> {
  const rows = await session.rows("SHOW STATUS LIKE 'Binlog_snapshot_%'");
  const status = new Map(rows.map((row) => [(row["Variable_name"] ?? "").toLowerCase(), row["Value"] ?? ""]));
  const file = status.get("binlog_snapshot_file") ?? "";
  const position = Number(status.get("binlog_snapshot_position") ?? "");
  if (file === "" || !Number.isSafeInteger(position)) {
    omissions.push("No place in the log was recorded with the counts: the server keeps no binary log.");
    return null;
  }
  return { file, position, gtid: await gtidAt(session, file, position, omissions) };
}

async function gtidAt(session: Session, file: string, position: number, omissions: string[]): Promise<string> {
  try {
    return (await session.row("SELECT BINLOG_GTID_POS(?, ?) AS gtid", [file, position]))?.["gtid"] ?? "";
  } catch (error) {
    if (isHoldfastError(error, "DATABASE_UNREACHABLE")) throw error;
    omissions.push(`The GTID of the recorded place could not be read: ${error instanceof Error ? error.message : String(error)}`);
    return "";
  }
}

/** The table was altered after the snapshot, dropped, or cannot be opened: a fact about that table, not about the backup. */
async function countInSnapshot(session: Session, tables: readonly TableInfo[], omissions: string[]): Promise<TableCount[]> {
  const counts: TableCount[] = [];
  for (const table of tables) {
    const counted = await countRows(session, [table], ({ schema, table: name }, error) => {
      if (sqlErrno(error) === null || isHoldfastError(error, "DATABASE_UNREACHABLE")) throw error;
      omissions.push(`Rows of ${schema}.${name} were not counted: ${error instanceof Error ? error.message : String(error)}`);
    });
    counts.push(...counted);
    // Gives back the metadata lock of the table, which would stop its owner's ALTER until all are counted.
    await session.run("ROLLBACK TO SAVEPOINT holdfast");
  }
  return counts;
}
