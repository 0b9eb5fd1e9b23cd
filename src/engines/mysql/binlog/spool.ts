import { createHash } from "node:crypto";
import { mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../../../lib/errors.ts";
import { logFileNumber } from "../../../model/position.ts";

const CHUNK_BYTES = 1024 * 1024;
const LOG_FILE_NAME = /\.\d+$/;

/**
 * The raw files one run of mariadb-binlog writes, each from the file's first byte. They grow while they are read, may
 * end inside an event, and are never synced: only what was shipped counts as kept.
 */
export class Spool {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** An empty spool in a directory that does not exist yet. */
  static async create(dir: string): Promise<Spool> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return new Spool(dir);
  }

  /** What the tool wants as --result-file: a prefix of names. */
  get prefix(): string {
    return `${this.dir}/`;
  }

  /** Bytes that are there of a file; 0 when it has not begun. */
  async sizeBytes(file: string): Promise<number> {
    try {
      return (await stat(join(this.dir, file))).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
      throw error;
    }
  }

  /** The file behind this one, when the tool has begun it: then this one is complete. */
  async fileAfter(file: string): Promise<string | null> {
    const number = logFileNumber(file) + 1;
    return (await readdir(this.dir)).find((name) => LOG_FILE_NAME.test(name) && logFileNumber(name) === number) ?? null;
  }

  /** Bytes [from, from + maxBytes) as far as they are there. */
  async read(file: string, from: number, maxBytes: number): Promise<Buffer> {
    const there = Math.min(maxBytes, Math.max(0, (await this.sizeBytes(file)) - from));
    if (there === 0) return Buffer.alloc(0);
    const bytes = Buffer.allocUnsafe(there);
    const handle = await open(join(this.dir, file), "r");
    try {
      let filled = 0;
      while (filled < there) {
        const { bytesRead } = await handle.read(bytes, filled, there - filled, from + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    } finally {
      await handle.close();
    }
  }

  /** Bytes [start, end), all of them; STREAM_DAMAGED when the spool lost some. */
  async readRange(file: string, start: number, end: number): Promise<Buffer> {
    const bytes = await this.read(file, start, end - start);
    if (bytes.length === end - start) return bytes;
    throw new HoldfastError("STREAM_DAMAGED", `The spool of ${file} ends at ${String(start + bytes.length)}, but ${String(end)} bytes had been received.`, {
      hint: "Look after the disk the spool lies on; following starts again from what is stored.",
    });
  }

  /** SHA-256 in hex of bytes [start, end). */
  async sha256(file: string, start: number, end: number): Promise<string> {
    const hash = createHash("sha256");
    for (let at = start; at < end; at += CHUNK_BYTES) hash.update(await this.readRange(file, at, Math.min(end, at + CHUNK_BYTES)));
    return hash.digest("hex");
  }

  async removeFile(file: string): Promise<void> {
    await rm(join(this.dir, file), { force: true });
  }

  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }
}
