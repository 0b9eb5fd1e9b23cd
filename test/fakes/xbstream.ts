import { crc32 } from "node:zlib";

/*
 * Chunks of mbstream as MariaDB writes them: magic `XBSTCK01`, flags, type, path; of type P then length, offset in the file
 * and CRC-32, and the data.
 */

/** The head that every chunk has; a chunk of type E is nothing else. */
export function chunkHead(type: string, path: string, flags = 0): Buffer {
  const name = Buffer.from(path, "utf8");
  const bytes = Buffer.alloc(14 + name.length);
  bytes.write("XBSTCK01", "latin1");
  bytes.writeUInt8(flags, 8);
  bytes.write(type, 9, "latin1");
  bytes.writeUInt32LE(name.length, 10);
  name.copy(bytes, 14);
  return bytes;
}

/** Everything of a payload chunk that stands before its data. */
export function payloadHead(path: string, data: { sizeBytes: number; crc: number }, options: { offset?: number; type?: string; flags?: number } = {}): Buffer {
  const numbers = Buffer.alloc(20);
  numbers.writeBigUInt64LE(BigInt(data.sizeBytes), 0);
  numbers.writeBigUInt64LE(BigInt(options.offset ?? 0), 8);
  numbers.writeUInt32LE(data.crc, 16);
  return Buffer.concat([chunkHead(options.type ?? "P", path, options.flags), numbers]);
}

export function payload(path: string, data: Buffer, options: { offset?: number; type?: string; flags?: number } = {}): Buffer {
  return Buffer.concat([payloadHead(path, { sizeBytes: data.length, crc: crc32(data) }, options), data]);
}
