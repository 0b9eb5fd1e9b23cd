import { open, type FileHandle } from "node:fs/promises";
import { basename } from "node:path";
import { HoldfastError } from "../../../lib/errors.ts";
import { formatPosition, type LogPosition } from "../../../model/position.ts";
import { readQuery, readTableMap } from "../binlog/bodies.ts";
import { type ChecksumKind, checksumOf, damaged, EVENT, eventLength, LOG_MAGIC, type LogEvent, readEvent } from "../binlog/events.ts";
import { nameKey, readStatement, type TableName } from "./named-together.ts";

/** What a stretch of log says of tables by name. */
export interface LogNames {
  /** The tables of each definition that can carry data from one name to another. */
  readonly definitions: readonly (readonly TableName[])[];
  /** Keys (`nameKey`) of the tables whose rows are changed. */
  readonly changed: ReadonlySet<string>;
}

export interface LogStretch {
  readonly files: readonly string[];
  readonly start: LogPosition;
  readonly stop: { readonly file: string; readonly position: number };
}

const CHUNK_BYTES = 4 * 1024 * 1024;

/**
 * Reads the names in a stretch of log. With `fold` they come in lower case, as a server with lower_case_table_names
 * compares them. Throws REFUSED, naming the place, for what a replay of single tables would get wrong without a word:
 * changes of rows that are logged as text (triggers and other tables hang on them), an encrypted log, names that are
 * not UTF-8. Throws STREAM_DAMAGED for events that are not whole.
 */
export async function readLogNames({ files, start, stop }: LogStretch, fold: boolean, signal: AbortSignal): Promise<LogNames> {
  const found = { definitions: [] as TableName[][], changed: new Set<string>() };
  const folded = ({ schema, table }: TableName): TableName => (fold ? { schema: schema.toLowerCase(), table: table.toLowerCase() } : { schema, table });
  for (const path of files) {
    const file = basename(path);
    const from = file === start.file ? start.position : LOG_MAGIC.length;
    const to = file === stop.file ? stop.position : Number.POSITIVE_INFINITY;
    for await (const event of eventsOf(path, { from, to }, signal)) {
      if (event.type === EVENT.TABLE_MAP) found.changed.add(nameKey(folded(tableOf(event))));
      else if (event.type === EVENT.QUERY || event.type === EVENT.QUERY_COMPRESSED) {
        const tables = definitionIn(event, file);
        if (tables !== null) found.definitions.push(tables.map(folded));
      } else if (event.type === EVENT.EXECUTE_LOAD_QUERY) throw refused(event, file, "is a LOAD DATA logged as text");
      else if (event.type === EVENT.START_ENCRYPTION) throw refused(event, file, "says that the log is encrypted");
    }
  }
  return found;
}

function tableOf(event: LogEvent): TableName {
  const { schema, table } = readTableMap(event);
  return { schema, table };
}

function definitionIn(event: LogEvent, file: string): readonly TableName[] | null {
  const query = readQuery(event);
  let sql: string;
  try {
    sql = new TextDecoder("utf-8", { fatal: true }).decode(query.bytes());
  } catch {
    throw refused(event, file, "is a statement in another character set than UTF-8, whose names cannot be told");
  }
  const { kind, tables } = readStatement(sql, query.schema);
  if (kind === "rows") throw refused(event, file, `changes rows and is logged as text (${JSON.stringify(sql.slice(0, 60))})`);
  return kind === "definition" ? tables : null;
}

function refused(event: LogEvent, file: string, what: string): HoldfastError {
  return new HoldfastError("REFUSED", `The event at ${formatPosition({ file, position: event.start })} ${what}: a replay of single tables could lose changes that hang on it.`);
}

/** The format description of a file, then its events in [from, to). */
async function* eventsOf(path: string, { from, to }: { from: number; to: number }, signal: AbortSignal): AsyncGenerator<LogEvent, void, undefined> {
  const file = basename(path);
  const handle = await open(path, "r");
  try {
    const head = await eventAt(handle, { file, offset: LOG_MAGIC.length, checksum: null });
    if (head?.type !== EVENT.FORMAT_DESCRIPTION) throw damaged({ file }, LOG_MAGIC.length, "is not the format description that a log begins with");
    const checksum = checksumOf(head, { file, offset: LOG_MAGIC.length, checksum: null });
    const window = new EventWindow(handle, file, checksum);
    for (let at = from; at < to; ) {
      signal.throwIfAborted();
      const event = await window.at(at);
      if (event === null) return;
      yield event;
      at = event.end;
    }
  } finally {
    await handle.close();
  }
}

async function eventAt(handle: FileHandle, place: { file: string; offset: number; checksum: ChecksumKind | null }): Promise<LogEvent | null> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(4096), 0, 4096, place.offset);
  return readEvent(buffer.subarray(0, bytesRead), 0, place);
}

/** A stretch of a file in memory that moves along with the events. */
class EventWindow {
  readonly #handle: FileHandle;
  readonly #file: string;
  readonly #checksum: ChecksumKind;
  #bytes: Buffer = Buffer.alloc(0);
  #offset = 0;

  constructor(handle: FileHandle, file: string, checksum: ChecksumKind) {
    this.#handle = handle;
    this.#file = file;
    this.#checksum = checksum;
  }

  /** The event at this offset; null where the file ends. */
  async at(offset: number): Promise<LogEvent | null> {
    const here = this.#read(offset);
    if (here !== null) return here;
    await this.#fill(offset, CHUNK_BYTES);
    const read = this.#read(offset);
    if (read !== null || this.#bytes.length === 0) return read;
    const needBytes = eventLength(this.#bytes, 0);
    if (needBytes !== null) await this.#fill(offset, needBytes);
    return this.#read(offset);
  }

  #read(offset: number): LogEvent | null {
    if (offset < this.#offset || offset >= this.#offset + this.#bytes.length) return null;
    return readEvent(this.#bytes, offset - this.#offset, { file: this.#file, offset: this.#offset, checksum: this.#checksum });
  }

  async #fill(offset: number, wantBytes: number): Promise<void> {
    const { buffer, bytesRead } = await this.#handle.read(Buffer.allocUnsafe(wantBytes), 0, wantBytes, offset);
    this.#bytes = buffer.subarray(0, bytesRead);
    this.#offset = offset;
  }
}
