import { formatGtid, type GtidPosition } from "../../../model/gtid.ts";
import type { LogDefinition, LogGroup } from "../../../model/log-groups.ts";
import { ChangedTables } from "./changed-tables.ts";
import { readDefinition } from "./definition.ts";
import { readGtid, readQuery } from "./bodies.ts";
import { withoutValues } from "./sql-tokens.ts";
import { EVENT, isRowsEvent, type LogEvent } from "./events.ts";

const STATEMENT_CHARS = 200;
/** Names stand at the front; a longer statement is a list of rows. */
const DEFINITION_CHARS = 16_384;
/** Statements that end a group written as QUERY events; everything else in one is work. */
const ENDINGS = ["COMMIT", "ROLLBACK", "XA COMMIT", "XA ROLLBACK"];
/** Statements that only frame the work of a group. */
const FRAMES = ["COMMIT", "ROLLBACK", "BEGIN", "SAVEPOINT", "ROLLBACK TO", "XA START", "XA END"];

/** Collects what is said of one transaction group while its events pass; keeps no bytes of them. */
export class GroupBuilder {
  readonly gtid: GtidPosition;
  readonly #start: number;
  readonly #stampS: number;
  readonly #standalone: boolean;
  readonly #ddl: boolean;
  readonly #tables = new ChangedTables();
  #definition: LogDefinition | null = null;
  #durationS = 0;
  #threadId: number | null = null;
  #statement: string | null = null;

  constructor(gtidEvent: LogEvent) {
    const { gtid, standalone, endsXa } = readGtid(gtidEvent);
    this.gtid = gtid;
    this.#standalone = standalone;
    this.#ddl = standalone && !endsXa;
    this.#start = gtidEvent.start;
    this.#stampS = gtidEvent.stampS;
  }

  /** Takes the next event of the group; true when it was the last one. */
  add(event: LogEvent): boolean {
    if (event.type === EVENT.TABLE_MAP) this.#tables.addTable(event);
    else if (event.type === EVENT.ANNOTATE_ROWS) this.#tables.addStatement(event);
    else if (isRowsEvent(event.type)) this.#tables.addRows(event);
    else if (isQuery(event.type)) return this.#addQuery(event) || this.#standalone;
    else if (event.type === EVENT.XID || event.type === EVENT.XA_PREPARE) return true;
    return this.#standalone && !isPreamble(event);
  }

  finish(end: number): LogGroup {
    return {
      start: this.#start,
      end,
      gtid: formatGtid(this.gtid),
      stampS: this.#stampS,
      durationS: this.#durationS,
      statement: this.#statement,
      ddl: this.#ddl,
      threadId: this.#threadId,
      tables: this.#tables.list(),
      definition: this.#definition,
    };
  }

  #addQuery(event: LogEvent): boolean {
    const query = readQuery(event);
    this.#threadId = query.threadId;
    this.#durationS = Math.max(this.#durationS, query.durationS);
    const text = query.sql(STATEMENT_CHARS);
    if (!startsWithOneOf(text, FRAMES)) {
      const definition = readDefinition(query.sql(DEFINITION_CHARS), query.schema);
      // The list can be read with the server's own key, which opens no data: changes of rows are noted without values.
      this.#statement ??= definition?.action === "rows" ? withoutValues(query.sql(DEFINITION_CHARS)).slice(0, STATEMENT_CHARS) : text;
      this.#definition = joined(this.#definition, definition);
    }
    return startsWithOneOf(text, ENDINGS);
  }
}

/** A transaction of several statements that are logged as text changes all of their tables. */
function joined(before: LogDefinition | null, next: LogDefinition | null): LogDefinition | null {
  if (before === null || next === null) return before ?? next;
  if (before.action !== "rows" || next.action !== "rows") return before;
  return { action: "rows", names: [...new Set([...before.names, ...next.names])] };
}

function isQuery(type: number): boolean {
  return type === EVENT.QUERY || type === EVENT.QUERY_COMPRESSED || type === EVENT.EXECUTE_LOAD_QUERY;
}

const PREAMBLES: ReadonlySet<number> = new Set([EVENT.INTVAR, EVENT.RAND, EVENT.USER_VAR, EVENT.TABLE_MAP, EVENT.ANNOTATE_ROWS]);
const ROWS_END_STATEMENT = 1;

/** Events that only prepare the statement behind them, and rows events that are not the last of their statement. */
function isPreamble(event: LogEvent): boolean {
  if (isRowsEvent(event.type)) return (event.body.readUInt16LE(6) & ROWS_END_STATEMENT) === 0;
  return PREAMBLES.has(event.type);
}

/** `ROLLBACK TO s` ends nothing: single words must be the whole statement, the others may have a name behind them. */
function startsWithOneOf(sql: string, words: readonly string[]): boolean {
  const text = sql.trimStart().toUpperCase();
  return words.some((word) => text === word || ((word.includes(" ") || word === "SAVEPOINT") && text.startsWith(`${word} `)));
}
