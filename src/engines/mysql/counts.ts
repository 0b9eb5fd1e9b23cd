import type { RowCounts } from "../../model/policy.ts";
import type { TableCount } from "../../model/backup-index.ts";
import { quoteName, type Session } from "./connect.ts";
import { HOLDFAST_SCHEMA } from "./heartbeat.ts";

/** Schemas that belong to the server. */
export const SYSTEM_SCHEMAS: readonly string[] = ["mysql", "information_schema", "performance_schema", "sys"];

/** A base table as the server's dictionary describes it; sequences and views are none. */
export interface TableInfo {
  readonly schema: string;
  readonly table: string;
  /** Null when the server cannot open the table. */
  readonly engine: string | null;
  readonly rowsEstimate: number;
  readonly sizeBytes: number;
}

export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** `?, ?, ?` for as many values. */
export function placeholders(values: readonly unknown[]): string {
  return values.map(() => "?").join(", ");
}

/** Schemas that hold users' objects: neither the server's own nor Holdfast's. */
export function notOurs(): readonly string[] {
  return [...SYSTEM_SCHEMAS, HOLDFAST_SCHEMA];
}

/** All base tables of users' schemas that this account may see, by schema and name. */
export async function listTables(session: Session): Promise<TableInfo[]> {
  const hidden = notOurs();
  const rows = await session.rows(
    `SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, ENGINE AS e, TABLE_ROWS AS n, DATA_LENGTH AS d, INDEX_LENGTH AS i
       FROM information_schema.TABLES
      WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND LOWER(TABLE_SCHEMA) NOT IN (${placeholders(hidden)})
      ORDER BY BINARY TABLE_SCHEMA, BINARY TABLE_NAME`,
    hidden,
  );
  return rows.map((row) => ({
    schema: row["s"] ?? "",
    table: row["t"] ?? "",
    engine: row["e"] ?? null,
    rowsEstimate: Number(row["n"] ?? 0),
    sizeBytes: Number(row["d"] ?? 0) + Number(row["i"] ?? 0),
  }));
}

/** Which tables a policy wants counted. Only InnoDB shows a consistent snapshot, so others are never chosen. */
export function tablesToCount(tables: readonly TableInfo[], rule: RowCounts): { chosen: TableInfo[]; omissions: string[] } {
  if (rule === "none") return { chosen: [], omissions: [] };
  const innodb = tables.filter((table) => table.engine?.toLowerCase() === "innodb");
  const chosen = rule === "all" ? innodb : innodb.filter((table) => table.rowsEstimate < rule.underRows);
  const omissions: string[] = [];
  if (innodb.length < tables.length) {
    omissions.push(`Rows of ${String(tables.length - innodb.length)} tables were not counted: their engines (${otherEngines(tables)}) show no consistent snapshot.`);
  }
  if (chosen.length < innodb.length && rule !== "all") {
    omissions.push(`Rows of ${String(innodb.length - chosen.length)} tables were not counted: their estimate is not below the policy's ${String(rule.underRows)} rows.`);
  }
  return { chosen, omissions };
}

function otherEngines(tables: readonly TableInfo[]): string {
  const names = tables.filter((table) => table.engine?.toLowerCase() !== "innodb").map((table) => table.engine ?? "unknown");
  return [...new Set(names)].sort().join(", ");
}

/**
 * Exact row counts, one table after another, in whatever snapshot the session has. A table that cannot be counted is
 * given to `onFailure` and left out; without it the error is thrown.
 */
export async function countRows(session: Session, tables: readonly TableName[], onFailure?: (table: TableName, error: unknown) => void): Promise<TableCount[]> {
  const counts: TableCount[] = [];
  for (const { schema, table } of tables) {
    try {
      const row = await session.row(`SELECT COUNT(*) AS n FROM ${quoteName(schema, table)}`);
      counts.push({ schema, table, rows: Number(row?.["n"] ?? 0) });
    } catch (error) {
      if (onFailure === undefined) throw error;
      onFailure({ schema, table }, error);
    }
  }
  return counts;
}
