import type { ChangedRows, LogGroup } from "../../../model/log-groups.ts";
import { readRowsTableId, readTableMap } from "./bodies.ts";
import type { LogEvent } from "./events.ts";
import { withoutValues } from "./sql-tokens.ts";
import { type ColumnSizes, countRows, readColumns } from "./row-images.ts";

type ChangedTable = LogGroup["tables"][number];

/** Tables kept of a group: those with most bytes, and more of those that lost rows. */
const TABLES_KEPT = 20;
const EMPTIED_KEPT = 100;
const STATEMENT_CHARS = 200;
/** So much is looked at to make them of. */
const STATEMENT_BYTES = 2_000;
/** Statements are noted for what somebody may ask for later: rows deleted, or many changed. */
const MANY_ROWS = 100;

interface Change {
  bytes: number;
  /** Null as soon as one event of it could not be counted. */
  rows: { inserted: number; updated: number; deleted: number } | null;
  /** The statement that has changed most of it so far, and the one at work. */
  statement: string | null;
  statementBytes: number;
  current: string | null;
  currentBytes: number;
}

/** Counts what a group's events of rows change, table by table; keeps no bytes of them. */
export class ChangedTables {
  readonly #mapped = new Map<number, { name: string; columns: ColumnSizes | null }>();
  readonly #changes = new Map<string, Change>();
  #statement: string | null = null;

  addTable(event: LogEvent): void {
    const { tableId, name } = readTableMap(event);
    this.#mapped.set(tableId, { name, columns: orNull(() => readColumns(event)) });
  }

  /** ANNOTATE_ROWS: the text of the statement whose rows come next. */
  addStatement(event: LogEvent): void {
    // The list of groups can be read with the server's own key, which opens no data: so none may stand in it.
    this.#statement = withoutValues(event.body.subarray(0, STATEMENT_BYTES).toString("utf8")).slice(0, STATEMENT_CHARS);
  }

  addRows(event: LogEvent): void {
    // An empty rows event only closes a statement and names a table id of its own.
    const table = this.#mapped.get(readRowsTableId(event));
    if (table === undefined) return;
    const change = this.#changes.get(table.name) ?? { bytes: 0, rows: { inserted: 0, updated: 0, deleted: 0 }, statement: null, statementBytes: 0, current: null, currentBytes: 0 };
    this.#changes.set(table.name, change);
    const bytes = event.end - event.start;
    change.bytes += bytes;
    noteStatement(change, this.#statement, bytes);
    const { columns } = table;
    const counted = columns === null ? null : orNull(() => countRows(event, columns));
    if (counted === null || change.rows === null) change.rows = null;
    else change.rows[counted.change] += counted.rows;
  }

  /** Most bytes first. */
  list(): ChangedTable[] {
    const all = [...this.#changes].sort(([a, one], [b, other]) => other.bytes - one.bytes || (a < b ? -1 : 1));
    const kept = all.filter(([, { rows }], index) => index < TABLES_KEPT || (index < EMPTIED_KEPT && (rows === null || rows.deleted > 0)));
    return kept.map(([name, { bytes, rows, statement }]) => ({ name, bytes, rows, ...(statement !== null && isNoteworthy(rows) ? { statement } : {}) }));
  }
}

function noteStatement(change: Change, statement: string | null, bytes: number): void {
  change.currentBytes = change.current === statement ? change.currentBytes + bytes : bytes;
  change.current = statement;
  if (change.currentBytes <= change.statementBytes) return;
  change.statementBytes = change.currentBytes;
  change.statement = statement;
}

function isNoteworthy(rows: ChangedRows | null): boolean {
  return rows === null || rows.deleted > 0 || rows.updated + rows.inserted >= MANY_ROWS;
}

/** Something of a shape that nobody foresaw is not counted; it must never keep the log from being shipped. */
function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError || (error as NodeJS.ErrnoException).code?.startsWith("Z_") === true) return null;
    throw error;
  }
}
