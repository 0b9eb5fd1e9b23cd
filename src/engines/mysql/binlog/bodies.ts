import { inflateSync } from "node:zlib";
import type { GtidPosition } from "../../../model/gtid.ts";
import { EVENT, type LogEvent } from "./events.ts";

/** What the bodies of the few event types say that a list of transaction groups is made of. Views in, plain values out. */

const GTID_STANDALONE = 0x01;
const GTID_COMPLETED_XA = 0x80;

/** GTID event: u64 sequence, u32 domain, u8 flags; the server id stands in the header. */
export function readGtid(event: LogEvent): { gtid: GtidPosition; standalone: boolean; endsXa: boolean } {
  return {
    // XA COMMIT and XA ROLLBACK of a prepared transaction are standalone, too, without being DDL.
    endsXa: (event.body.readUInt8(12) & GTID_COMPLETED_XA) !== 0,
    gtid: { domain: event.body.readUInt32LE(8), server: event.serverId, sequence: event.body.readBigUInt64LE(0) },
    standalone: (event.body.readUInt8(12) & GTID_STANDALONE) !== 0,
  };
}

/**
 * GTID_LIST event: u32 count (the upper four bits are flags), then u32 domain, u32 server, u64 sequence each.
 * The list has one entry for each domain and server; the newest of a domain comes last.
 */
export function readGtidList(event: LogEvent): GtidPosition[] {
  const count = event.body.readUInt32LE(0) & 0x0fffffff;
  return Array.from({ length: count }, (_, index) => {
    const at = 4 + index * 16;
    return { domain: event.body.readUInt32LE(at), server: event.body.readUInt32LE(at + 4), sequence: event.body.readBigUInt64LE(at + 8) };
  });
}

export interface QueryBody {
  readonly threadId: number;
  /** Seconds the statement ran before it was logged. */
  readonly durationS: number;
  /** The session's default schema; empty when it had none. */
  readonly schema: string;
  /** The first bytes of the statement as text. */
  sql(maxChars: number): string;
  /** The whole statement, in the character set of its session. */
  bytes(): Buffer;
}

/**
 * QUERY event: u32 thread, u32 seconds, u8 length of the database's name, u16 error, u16 length of the status block,
 * status block, database, 0, SQL. EXECUTE_LOAD_QUERY has 13 more bytes before the status block.
 */
export function readQuery(event: LogEvent): QueryBody {
  const { body } = event;
  const fixed = event.type === EVENT.EXECUTE_LOAD_QUERY ? 26 : 13;
  const schemaAt = fixed + body.readUInt16LE(11);
  const sqlAt = schemaAt + body.readUInt8(8) + 1;
  return {
    schema: body.toString("utf8", schemaAt, sqlAt - 1),
    threadId: body.readUInt32LE(0),
    durationS: body.readUInt32LE(4),
    sql: (maxChars) => {
      const sql = event.type === EVENT.QUERY_COMPRESSED ? inflate(body.subarray(sqlAt), maxChars * 4) : body.subarray(sqlAt);
      return sql.subarray(0, maxChars * 4).toString("utf8").slice(0, maxChars);
    },
    bytes: () => (event.type === EVENT.QUERY_COMPRESSED ? inflate(body.subarray(sqlAt), Number.MAX_SAFE_INTEGER) : body.subarray(sqlAt)),
  };
}

/** Compressed SQL: one byte (low three bits = n), n bytes of plain length, zlib. */
function inflate(packed: Buffer, wantBytes: number): Buffer {
  const lengthBytes = (packed.at(0) ?? 0) & 7;
  const plain = inflateSync(packed.subarray(1 + lengthBytes));
  return plain.subarray(0, wantBytes);
}

/** TABLE_MAP event: u48 table id, u16 flags, u8 length, schema, 0, u8 length, table, 0, columns. */
export function readTableMap(event: LogEvent): { tableId: number; name: string; schema: string; table: string } {
  const { body } = event;
  const schemaBytes = body.readUInt8(8);
  const tableAt = 9 + schemaBytes + 1;
  const schema = body.toString("utf8", 9, 9 + schemaBytes);
  const table = body.toString("utf8", tableAt + 1, tableAt + 1 + body.readUInt8(tableAt));
  return { tableId: body.readUIntLE(0, 6), name: `${schema}.${table}`, schema, table };
}

/** Rows event: u48 table id first. */
export function readRowsTableId(event: LogEvent): number {
  return event.body.readUIntLE(0, 6);
}
