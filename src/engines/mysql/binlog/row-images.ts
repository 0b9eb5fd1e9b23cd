import { inflateSync } from "node:zlib";
import type { LogEvent } from "./events.ts";

/** How one column lies in a row image. Strings and blobs carry their length in so many bytes in front of them. */
type ColumnSize = { readonly kind: "fixed"; readonly bytes: number } | { readonly kind: "prefixed"; readonly lengthBytes: number };

/** The columns of a table as a TABLE_MAP event tells them; null where a type is not known. */
export type ColumnSizes = readonly (ColumnSize | null)[];

const fixed = (bytes: number): ColumnSize => ({ kind: "fixed", bytes });
const prefixed = (lengthBytes: number): ColumnSize => ({ kind: "prefixed", lengthBytes });

/** Types whose values have one size: MYSQL_TYPE_TINY and so on. TIME, DATETIME and TIMESTAMP in their old forms. */
const FIXED: Readonly<Record<number, number>> = { 1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 6: 0, 7: 4, 8: 8, 9: 3, 10: 3, 11: 3, 12: 8, 13: 1, 14: 3 };
/** Bytes of metadata by type; 0 for all others. */
const METADATA: Readonly<Record<number, number>> = { 4: 1, 5: 1, 15: 2, 16: 2, 17: 1, 18: 1, 19: 1, 140: 1, 141: 2, 246: 2, 247: 2, 248: 2, 249: 1, 250: 1, 251: 1, 252: 1, 253: 2, 254: 2, 255: 1 };
const FRACTION_BASE: Readonly<Record<number, number>> = { 17: 4, 18: 5, 19: 3 };
const DIGIT_BYTES = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
const ENUM = 247;
const SET = 248;

/** A column's size from its type and the first two bytes of metadata. Source: the layout of TABLE_MAP in MariaDB's documentation. */
function sizeOf(type: number, low: number, high: number): ColumnSize | null {
  const bytes = FIXED[type];
  if (bytes !== undefined) return fixed(bytes);
  const base = FRACTION_BASE[type];
  if (base !== undefined) return fixed(base + ((low + 1) >> 1));
  if (type === 15 || type === 253 || type === 141) return prefixed(low + high * 256 > 255 ? 2 : 1);
  if (type === 16) return fixed(high + (low > 0 ? 1 : 0));
  if (type === 246) return fixed(decimalBytes(low, high));
  if ((type >= 249 && type <= 252) || type === 255 || type === 140) return prefixed(low);
  if (type === 254) return stringSize(low, high);
  return null;
}

function decimalBytes(precision: number, scale: number): number {
  const whole = precision - scale;
  return Math.floor(whole / 9) * 4 + (DIGIT_BYTES[whole % 9] ?? 0) + Math.floor(scale / 9) * 4 + (DIGIT_BYTES[scale % 9] ?? 0);
}

/** CHAR, ENUM and SET share a type: the first byte tells which, and holds two bits of the length, turned over. */
function stringSize(low: number, high: number): ColumnSize {
  if (low === ENUM || low === SET) return fixed(high);
  const maxBytes = (((low & 0x30) ^ 0x30) << 4) | high;
  return prefixed(maxBytes > 255 ? 2 : 1);
}

/** Packed integer: below 251 itself, 252 u16, 253 u24, 254 u64. */
function packedInteger(body: Buffer, at: number): { value: number; next: number } {
  const first = body.readUInt8(at);
  if (first < 251) return { value: first, next: at + 1 };
  if (first === 252) return { value: body.readUInt16LE(at + 1), next: at + 3 };
  if (first === 253) return { value: body.readUIntLE(at + 1, 3), next: at + 4 };
  return { value: Number(body.readBigUInt64LE(at + 1)), next: at + 9 };
}

/** TABLE_MAP behind the names: packed number of columns, a type each, packed length of the metadata, the metadata. */
export function readColumns(event: LogEvent): ColumnSizes {
  const { body } = event;
  const tableAt = 9 + body.readUInt8(8) + 1;
  const count = packedInteger(body, tableAt + 1 + body.readUInt8(tableAt) + 1);
  let meta = packedInteger(body, count.next + count.value).next;
  return Array.from({ length: count.value }, (_, column) => {
    const type = body.readUInt8(count.next + column);
    const metaBytes = METADATA[type] ?? 0;
    const size = sizeOf(type, metaBytes > 0 ? body.readUInt8(meta) : 0, metaBytes > 1 ? body.readUInt8(meta + 1) : 0);
    meta += metaBytes;
    return size;
  });
}

export type RowChange = "inserted" | "updated" | "deleted";

/** Event types of rows, plain and compressed, of version 1 and 2; the first form that ever was is not read. */
const CHANGES: ReadonlyMap<number, { change: RowChange; version: 1 | 2; isCompressed: boolean }> = new Map(
  ([[23, 1, false], [30, 2, false], [166, 1, true], [169, 2, true]] as const).flatMap(([first, version, isCompressed]) =>
    (["inserted", "updated", "deleted"] as const).map((change, index) => [first + index, { change, version, isCompressed }] as const),
  ),
);

/**
 * How many rows an event of rows changes, and how; null when its images cannot be walked to their exact end (a type that
 * is not known). Layout: u48 table id, u16 flags, in version 2 a u16 length of more, packed number of columns, a bitmap
 * of the columns in the image (two for an update), then the rows: a bitmap of NULLs and the values.
 */
export function countRows(event: LogEvent, columns: ColumnSizes): { change: RowChange; rows: number } | null {
  const form = CHANGES.get(event.type);
  if (form === undefined) return null;
  const { body } = event;
  const width = packedInteger(body, form.version === 2 ? 8 + body.readUInt16LE(8) : 8);
  if (width.value !== columns.length) return null;
  const bitmapBytes = (width.value + 7) >> 3;
  const images = [presentSizes(body, width.next, columns)];
  if (form.change === "updated") images.push(presentSizes(body, width.next + bitmapBytes, columns));
  const packed = body.subarray(width.next + bitmapBytes * images.length);
  const rows = walkRows(form.isCompressed ? inflated(packed) : packed, images);
  return rows === null ? null : { change: form.change, rows };
}

function presentSizes(body: Buffer, at: number, columns: ColumnSizes): ColumnSizes {
  return columns.filter((_, column) => (((body[at + (column >> 3)] ?? 0) >> (column & 7)) & 1) === 1);
}

/** One byte whose low three bits say in how many bytes the plain length stands, the length, zlib. */
function inflated(packed: Buffer): Buffer {
  return inflateSync(packed.subarray(1 + (packed.readUInt8(0) & 7)));
}

function walkRows(bytes: Buffer, images: readonly ColumnSizes[]): number | null {
  let at = 0;
  let rows = 0;
  while (at < bytes.length) {
    for (const image of images) {
      at = imageEnd(bytes, at, image);
      if (at < 0) return null;
    }
    rows += 1;
  }
  return rows;
}

/** Offset behind one image; negative when it does not fit, or a type in it is not known. */
function imageEnd(bytes: Buffer, start: number, columns: ColumnSizes): number {
  let at = start + ((columns.length + 7) >> 3);
  for (let column = 0; column < columns.length; column += 1) {
    if ((((bytes[start + (column >> 3)] ?? 0) >> (column & 7)) & 1) === 1) continue;
    const size = columns[column];
    if (size === null || size === undefined) return -1;
    if (size.kind === "fixed") at += size.bytes;
    else if (at + size.lengthBytes > bytes.length) return -1;
    else at += size.lengthBytes + bytes.readUIntLE(at, size.lengthBytes);
  }
  // A column-less image is no image: it would be walked for ever.
  return at > bytes.length || at === start ? -1 : at;
}
