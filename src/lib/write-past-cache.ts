import type { FileHandle } from "node:fs/promises";
import { borrowPages, PIECE_BYTES, returnPages } from "./page-memory.ts";
import { isUnfitForDirect, openPastCache, wholePageBytes } from "./past-cache.ts";
import { writeAll } from "./write-all.ts";

/** Writes a new file of about so many bytes from its beginning, past the page cache where that can be had. It is not synced. */
export async function writePastCache(file: FileHandle, sizeBytes: number, chunks: AsyncIterable<Uint8Array>, openDirect = openPastCache): Promise<void> {
  const pages = sizeBytes < PIECE_BYTES ? null : borrowPages();
  if (pages === null) {
    for await (const chunk of chunks) await writeAll(file, chunk);
    return;
  }
  const direct = await openDirect(file, "write");
  const writer = new Writer(file, direct, pages);
  try {
    for await (const chunk of chunks) await writer.write(chunk);
    await writer.flush();
  } finally {
    returnPages(pages);
    await direct?.close();
  }
}

/** Collects bytes until there is a piece of whole pages. What is no whole page goes through the cache. */
class Writer {
  readonly #file: FileHandle;
  readonly #pages: Uint8Array;
  #direct: FileHandle | null;
  #fileOffset = 0;
  #filledBytes = 0;

  constructor(file: FileHandle, direct: FileHandle | null, pages: Uint8Array) {
    this.#file = file;
    this.#direct = direct;
    this.#pages = pages;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let taken = 0; taken < bytes.byteLength; ) {
      const piece = bytes.subarray(taken, taken + this.#pages.byteLength - this.#filledBytes);
      this.#pages.set(piece, this.#filledBytes);
      this.#filledBytes += piece.byteLength;
      taken += piece.byteLength;
      if (this.#filledBytes === this.#pages.byteLength) await this.flush();
    }
  }

  async flush(): Promise<void> {
    let done = await this.#writeDirect(wholePageBytes(this.#fileOffset, this.#filledBytes));
    while (done < this.#filledBytes) done += (await this.#file.write(this.#pages, done, this.#filledBytes - done, this.#fileOffset + done)).bytesWritten;
    this.#fileOffset += this.#filledBytes;
    this.#filledBytes = 0;
  }

  /** How many of these bytes were written; fewer when the disk is nearly full, which the next ordinary write will say. */
  async #writeDirect(sizeBytes: number): Promise<number> {
    if (this.#direct === null || sizeBytes === 0) return 0;
    try {
      return (await this.#direct.write(this.#pages, 0, sizeBytes, this.#fileOffset)).bytesWritten;
    } catch (error) {
      if (!isUnfitForDirect(error)) throw error;
      this.#direct = null;
      return 0;
    }
  }
}
