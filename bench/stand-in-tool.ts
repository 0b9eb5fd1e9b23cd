import { randomBytes } from "node:crypto";
import { writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { chunkHead, payload, payloadHead } from "../test/fakes/xbstream.ts";
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

function file(path: string, data: Buffer): Buffer {
  return Buffer.concat([payload(path, data), chunkHead("E", path)]);
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
  write(payloadHead("bench/t.ibd", { sizeBytes: CHUNK_BYTES, crc }, { offset }));
  write(data);
}
write(chunkHead("E", "bench/t.ibd"));
for (const path of ["ib_logfile0", "xtrabackup_checkpoints", "xtrabackup_info"]) write(file(path, Buffer.from("stand-in\n")));
process.stderr.write("stand-in completed OK!\n");
