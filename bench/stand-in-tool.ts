import { randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { TextSource } from "./text.ts";

/*
 * Stands in for mariadb-backup where no disk would hold the database: writes a stream of so many bytes, whole and with right
 * checksums, half of it random and half text-like. Argument: bytes.
 */

const CHUNK_BYTES = 8 * 1024 ** 2;

/** InnoDB's header of a tablespace's first page, for the tablespace 0. */
function firstPage(): Buffer {
  const page = Buffer.alloc(16_384);
  page.writeUInt16BE(8, 24);
  return page;
}

function head(type: "P" | "E", path: string): Buffer {
  const bytes = Buffer.alloc(14 + path.length);
  bytes.write(`XBSTCK01\0${type}`, "latin1");
  bytes.writeUInt32LE(path.length, 10);
  bytes.write(path, 14, "latin1");
  return bytes;
}

function payloadHead(path: string, data: { readonly sizeBytes: number; readonly crc: number; readonly offset: number }): Buffer {
  const numbers = Buffer.alloc(20);
  numbers.writeBigUInt64LE(BigInt(data.sizeBytes), 0);
  numbers.writeBigUInt64LE(BigInt(data.offset), 8);
  numbers.writeUInt32LE(data.crc, 16);
  return Buffer.concat([head("P", path), numbers]);
}

function file(path: string, data: Buffer): Buffer {
  return Buffer.concat([payloadHead(path, { sizeBytes: data.byteLength, crc: crc32(data), offset: 0 }), data, head("E", path)]);
}

function write(bytes: Uint8Array): void {
  for (let done = 0; done < bytes.byteLength; ) done += writeSync(1, bytes, done);
}

function block(): Buffer {
  const bytes = Buffer.alloc(CHUNK_BYTES);
  const text = new TextSource(4_711);
  for (let offset = 0; offset < CHUNK_BYTES; offset += 2_048) {
    bytes.write(text.next(1_024), offset, "latin1");
    randomBytes(1_024).copy(bytes, offset + 1_024);
  }
  return bytes;
}

const totalBytes = Number(process.argv[2]);
const data = block();
const crc = crc32(data);
write(file("ibdata1", firstPage()));
for (let offset = 0; offset < totalBytes; offset += CHUNK_BYTES) {
  write(payloadHead("bench/t.ibd", { sizeBytes: CHUNK_BYTES, crc, offset }));
  write(data);
}
write(head("E", "bench/t.ibd"));
for (const path of ["ib_logfile0", "xtrabackup_checkpoints", "xtrabackup_info"]) write(file(path, Buffer.from("stand-in\n")));
process.stderr.write("stand-in completed OK!\n");
