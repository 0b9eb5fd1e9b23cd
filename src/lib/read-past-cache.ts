import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { borrowPages, PIECE_BYTES, returnPages } from "./page-memory.ts";
import { isUnfitForDirect, openPastCache, pageStart } from "./past-cache.ts";

/** Bytes of a file, `end` not included. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads a part of a file, past the page cache where that can be had and the part is large. The file is the stream's from
 * now on, which closes it. Chunks are the reader's own.
 */
export async function readPastCache(file: FileHandle, { start, end }: Range, openDirect = openPastCache): Promise<Readable> {
  const pages = end - start < PIECE_BYTES ? null : borrowPages();
  const direct = pages === null ? null : await openDirect(file, "read");
  if (pages !== null && direct !== null) return new PastCacheStream({ file, direct, pages }, { start, end });
  if (pages !== null) returnPages(pages);
  return file.createReadStream({ start, end: end - 1, highWaterMark: PIECE_BYTES });
}

interface Opened {
  readonly file: FileHandle;
  readonly direct: FileHandle;
  readonly pages: Uint8Array;
}

class PastCacheStream extends Readable {
  readonly #opened: Opened;
  readonly #end: number;
  #offset: number;
  /** The ordinary file once the other one has refused. */
  #source: FileHandle;
  #reading: Promise<void> = Promise.resolve();

  constructor(opened: Opened, { start, end }: Range) {
    super({ highWaterMark: PIECE_BYTES });
    this.#opened = opened;
    this.#source = opened.direct;
    this.#offset = start;
    this.#end = end;
  }

  override _read(): void {
    this.#reading = this.#next().then(
      (chunk) => {
        if (!this.destroyed) this.push(chunk);
      },
      (error: unknown) => {
        this.destroy(error as Error);
      },
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // The kernel may still write into the pages.
    this.#reading
      .then(async () => {
        returnPages(this.#opened.pages);
        await Promise.all([this.#opened.direct.close(), this.#opened.file.close()]);
      })
      .then(() => done(error), done); // prettier-ignore
  }

  /** Null at the end, and where the file ends before it. */
  async #next(): Promise<Buffer | null> {
    const { pages } = this.#opened;
    const from = pageStart(this.#offset);
    const bytesRead = this.#offset === this.#end ? 0 : await this.#fill(from);
    const [start, end] = [this.#offset - from, Math.min(bytesRead, this.#end - from)];
    if (end <= start) return null;
    const chunk = Buffer.allocUnsafeSlow(end - start);
    chunk.set(pages.subarray(start, end));
    this.#offset += chunk.byteLength;
    return chunk;
  }

  async #fill(from: number): Promise<number> {
    const { file, pages } = this.#opened;
    try {
      return (await this.#source.read(pages, 0, pages.byteLength, from)).bytesRead;
    } catch (error) {
      if (this.#source === file || !isUnfitForDirect(error)) throw error;
      this.#source = file;
      return this.#fill(from);
    }
  }
}
