import { crc32 } from "node:zlib";
import { HoldfastError } from "../../../lib/errors.ts";

/** The four bytes every binary log file begins with; the first event lies at offset 4. */
export const LOG_MAGIC = Uint8Array.of(0xfe, 0x62, 0x69, 0x6e);
export const HEADER_BYTES = 19;
export const CHECKSUM_BYTES = 4;

/** Event types of MariaDB that mean something here; all others are carried and checked, but not understood. */
export const EVENT = {
  QUERY: 2,
  STOP: 3,
  ROTATE: 4,
  INTVAR: 5,
  RAND: 13,
  USER_VAR: 14,
  FORMAT_DESCRIPTION: 15,
  XID: 16,
  EXECUTE_LOAD_QUERY: 18,
  TABLE_MAP: 19,
  XA_PREPARE: 38,
  ANNOTATE_ROWS: 160,
  CHECKPOINT: 161,
  GTID: 162,
  GTID_LIST: 163,
  START_ENCRYPTION: 164,
  QUERY_COMPRESSED: 165,
} as const;

/** The server still writes to the file; it stands in the header of the first event on disk, never in the stream. */
const FLAG_IN_USE = 1;

/** True for events that hold row images: version 0, 1 and 2, plain and compressed. */
export function isRowsEvent(type: number): boolean {
  return (type >= 20 && type <= 25) || (type >= 30 && type <= 32) || (type >= 166 && type <= 171);
}

export type ChecksumKind = "crc32" | "none";

/** One event. `start` and `end` are offsets in its file; `body` is a view without header and checksum. */
export interface LogEvent {
  readonly type: number;
  /** Second in which the session's statement began (not when it was committed). */
  readonly stampS: number;
  readonly serverId: number;
  readonly start: number;
  readonly end: number;
  readonly body: Buffer;
}

export interface EventPlace {
  readonly file: string;
  /** Offset in the file of the first byte of the buffer. */
  readonly offset: number;
  /** What the file's own format description says of it; null before that was read. */
  readonly checksum: ChecksumKind | null;
}

/**
 * The event that begins at `at` in `bytes`, or null when the buffer ends before the event does.
 * Throws STREAM_DAMAGED, naming file and offset, when length, end position or checksum cannot be right.
 * Layout: u32 stamp, u8 type, u32 server id, u32 length, u32 end position, u16 flags; little endian.
 */
export function readEvent(bytes: Buffer, at: number, place: EventPlace): LogEvent | null {
  if (bytes.length - at < HEADER_BYTES) return null;
  const start = place.offset + at;
  const type = bytes.readUInt8(at + 4);
  const length = bytes.readUInt32LE(at + 9);
  checkHeader({ start, type, length, endPosition: bytes.readUInt32LE(at + 13) }, place);
  if (bytes.length - at < length) return null;
  const event = bytes.subarray(at, at + length);
  const checksum = type === EVENT.FORMAT_DESCRIPTION ? "crc32" : place.checksum;
  if (checksum === null) throw damaged(place, start, "comes before the file's format description");
  if (checksum === "crc32") checkSum(event, start, place);
  return {
    type,
    stampS: event.readUInt32LE(0),
    serverId: event.readUInt32LE(5),
    start,
    end: start + length,
    body: event.subarray(HEADER_BYTES, checksum === "crc32" ? length - CHECKSUM_BYTES : length),
  };
}

/**
 * The whole length in bytes of the event at `at`, as its header says; null when the header is not complete.
 * Lets a reader with a small buffer see how much it must fetch.
 */
export function eventLength(bytes: Buffer, at: number): number | null {
  return bytes.length - at < HEADER_BYTES ? null : bytes.readUInt32LE(at + 9);
}

/** Whether the events after this format description carry checksums. Its own is always there. */
export function checksumOf(formatDescription: LogEvent, place: EventPlace): ChecksumKind {
  const kind = formatDescription.body.at(-1);
  if (kind === 0) return "none";
  if (kind === 1) return "crc32";
  throw damaged(place, formatDescription.start, `names the unknown checksum algorithm ${String(kind)}`);
}

export function damaged(place: Pick<EventPlace, "file">, position: number, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError("STREAM_DAMAGED", `The event at ${place.file}:${String(position)} ${what}.`, {
    details: { file: place.file, position },
    ...(cause === undefined ? {} : { cause }),
  });
}

function checkHeader(header: { start: number; type: number; length: number; endPosition: number }, place: EventPlace): void {
  const least = HEADER_BYTES + (place.checksum === "none" ? 0 : CHECKSUM_BYTES);
  if (header.length < least) throw damaged(place, header.start, `says that it is ${String(header.length)} bytes long, which no event is`);
  // The field has 32 bits; behind 4 GiB it starts again at 0.
  const expected = (header.start + header.length) % 2 ** 32;
  if (header.endPosition !== expected) {
    throw damaged(place, header.start, `says that it ends at ${String(header.endPosition)} but its length puts its end at ${String(expected)}`);
  }
}

function checkSum(event: Buffer, start: number, place: EventPlace): void {
  const end = event.length - CHECKSUM_BYTES;
  const flags = event.readUInt16LE(17);
  // The server reckons the first event's checksum without the flag that says the file is open.
  const actual = flags & FLAG_IN_USE && event.readUInt8(4) === EVENT.FORMAT_DESCRIPTION ? crc32(closedHead(event)) : crc32(event.subarray(0, end));
  if (actual !== event.readUInt32LE(end)) throw damaged(place, start, "does not match its checksum");
}

function closedHead(event: Buffer): Buffer {
  const copy = Buffer.from(event.subarray(0, event.length - CHECKSUM_BYTES));
  copy.writeUInt16LE(copy.readUInt16LE(17) & ~FLAG_IN_USE, 17);
  return copy;
}
