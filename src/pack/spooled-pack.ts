import { createHash } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { HoldfastError } from "../lib/errors.ts";
import { provenBody } from "../lib/proven-body.ts";
import { writeAll } from "../lib/write-all.ts";
import type { SealedPack } from "./contract.ts";

const READ_BYTES = 1024 * 1024;
const FILE_MODE = 0o600;

/** A sealed pack on its way to the repository: its ciphertext is in memory, and after `spill` in a file. */
export class SpooledPack {
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  /** The bytes, as often as somebody asks for them; one who reads while the pack is spilled goes on from the file. */
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly #pack: SealedPack;
  /** Null once the file holds everything. */
  #memory: readonly Uint8Array[] | null;
  #path: string | null = null;

  constructor(pack: SealedPack) {
    this.name = pack.name;
    this.sizeBytes = pack.sizeBytes;
    this.sha256 = pack.sha256;
    this.#pack = pack;
    this.#memory = pack.chunks;
    this.chunks = provenBody({ [Symbol.asyncIterator]: () => this.#bytes() }, pack.sha256);
  }

  /**
   * Writes the bytes into a new file and lets go of the memory. Not synced: a crash ends the attempt, and its spool with
   * it. `isBeingRead` is asked at the end. Rejects with what the file system said.
   */
  async spill(path: string, isBeingRead: () => boolean): Promise<void> {
    this.#path = path;
    const file = await open(path, "wx", FILE_MODE);
    try {
      for (const chunk of this.#memory ?? []) await writeAll(file, chunk);
    } finally {
      await file.close();
    }
    // A chunk that a reader still holds must not be taken away from under its write.
    if (isBeingRead()) this.#pack.letGo();
    this.#memory = null;
  }

  /** Removes the file, if there is one. */
  async remove(): Promise<void> {
    if (this.#path === null) return;
    const path = this.#path;
    this.#path = null;
    await unlink(path);
  }

  async *#bytes(): AsyncGenerator<Uint8Array> {
    let offset = 0;
    for (let next = 0; this.#memory !== null; next += 1) {
      const chunk = this.#memory[next];
      if (chunk === undefined) return;
      offset += chunk.byteLength;
      yield chunk;
    }
    yield* this.#bytesOfFile(offset);
  }

  /** The whole file is read and hashed, wherever the reader goes on: what was on a disk is not what was hashed in memory. */
  async *#bytesOfFile(start: number): AsyncGenerator<Uint8Array> {
    const path = this.#path ?? "";
    const hash = createHash("sha256");
    const file = await open(path).catch((cause: unknown) => {
      throw lost(path, cause);
    });
    try {
      for (let offset = 0; offset < this.sizeBytes; ) {
        const bytes = await readPiece(file, { path, offset, sizeBytes: Math.min(READ_BYTES, this.sizeBytes - offset) });
        hash.update(bytes);
        const isLast = offset + bytes.byteLength === this.sizeBytes;
        if (isLast && hash.digest("hex") !== this.sha256) throw lost(path, new Error("its SHA-256 is not that of what was written"));
        offset += bytes.byteLength;
        if (offset > start) yield bytes.subarray(Math.max(0, start - offset + bytes.byteLength));
      }
    } finally {
      await file.close();
    }
  }
}

async function readPiece(file: FileHandle, { path, offset, sizeBytes }: { path: string; offset: number; sizeBytes: number }): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(sizeBytes);
  const { bytesRead } = await file.read(buffer, 0, sizeBytes, offset).catch((cause: unknown) => {
    throw lost(path, cause);
  });
  if (bytesRead === 0) throw lost(path);
  return buffer.subarray(0, bytesRead);
}

function lost(path: string, cause?: unknown): HoldfastError {
  const why = cause instanceof Error ? cause.message : "it is shorter than what was written";
  return new HoldfastError("STREAM_DAMAGED", `The spool file ${path} cannot be read back: ${why}.`, { cause, hint: "Look after the disk that the spool lies on (`agent.spoolDir`), then run the backup again." });
}
