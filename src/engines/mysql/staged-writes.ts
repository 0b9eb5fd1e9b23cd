import { closeSync, writeSync } from "node:fs";
import { borrowPages, returnPages } from "../../lib/page-memory.ts";
import { isUnfitForDirect, openPastCacheSync, wholePageBytes } from "../../lib/past-cache.ts";

/** Smaller pieces are left to the cache: small tables have no more. */
const DIRECT_FROM_BYTES = 256 * 1024;

/** A file that is being written. `direct` is the same one past the page cache: undefined until it is needed, null where it cannot be had. */
export interface StagedFile {
  readonly file: number;
  direct?: number | null;
}

/**
 * Writes that block, for a thread of its own. Neighbouring bytes of one file are collected to pieces of whole pages, which
 * go past the page cache; what is no whole page, or little, goes through it.
 */
export class StagedWrites {
  readonly #openDirect: typeof openPastCacheSync;
  #pages = borrowPages();
  #target: StagedFile | null = null;
  #fileOffset = 0;
  #filledBytes = 0;

  constructor(openDirect = openPastCacheSync) {
    this.#openDirect = openDirect;
  }

  /** Takes bytes for this place of a file. They are written at the latest when `end` is called with the file. */
  write(target: StagedFile, bytes: Uint8Array, fileOffset: number): void {
    if (this.#pages === null) {
      writeAt(target.file, bytes, fileOffset);
      return;
    }
    if (target !== this.#target || fileOffset !== this.#fileOffset + this.#filledBytes) this.#begin(target, fileOffset);
    for (let taken = 0; taken < bytes.byteLength; ) taken += this.#stage(this.#pages, target, bytes.subarray(taken));
  }

  /** Writes what is left of a file and closes it. */
  end(target: StagedFile): void {
    if (target === this.#target) {
      this.#flush();
      this.#target = null;
    }
    this.close(target);
  }

  /** Closes a file as it is. */
  close({ file, direct }: StagedFile): void {
    if (typeof direct === "number") closeSync(direct);
    closeSync(file);
  }

  /** To be called after the last file. */
  release(): void {
    if (this.#pages !== null) returnPages(this.#pages);
    this.#pages = null;
  }

  #begin(target: StagedFile, fileOffset: number): void {
    this.#flush();
    this.#target = target;
    this.#fileOffset = fileOffset;
  }

  /** Takes as many bytes as there is room for before the next border of a piece; after one that began between two borders, all begin at one. */
  #stage(pages: Uint8Array, target: StagedFile, bytes: Uint8Array): number {
    const roomBytes = pages.byteLength - (this.#fileOffset % pages.byteLength);
    const piece = bytes.subarray(0, roomBytes - this.#filledBytes);
    pages.set(piece, this.#filledBytes);
    this.#filledBytes += piece.byteLength;
    if (this.#filledBytes === roomBytes) this.#begin(target, this.#fileOffset + roomBytes);
    return piece.byteLength;
  }

  #flush(): void {
    if (this.#pages === null || this.#target === null) return;
    const [bytes, fileOffset] = [this.#pages.subarray(0, this.#filledBytes), this.#fileOffset];
    this.#fileOffset += this.#filledBytes;
    this.#filledBytes = 0;
    const done = this.#writeDirect(this.#target, bytes, fileOffset);
    writeAt(this.#target.file, bytes.subarray(done), fileOffset + done);
  }

  /** How many of these bytes were written past the cache. */
  #writeDirect(target: StagedFile, pages: Uint8Array, fileOffset: number): number {
    const sizeBytes = wholePageBytes(fileOffset, pages.byteLength);
    if (sizeBytes < DIRECT_FROM_BYTES) return 0;
    if (target.direct === undefined) target.direct = this.#openDirect(target.file, "write");
    if (target.direct === null) return 0;
    try {
      return writeSync(target.direct, pages, 0, sizeBytes, fileOffset);
    } catch (error) {
      if (!isUnfitForDirect(error)) throw error;
      closeSync(target.direct);
      target.direct = null;
      return 0;
    }
  }
}

function writeAt(file: number, bytes: Uint8Array, fileOffset: number): void {
  for (let done = 0; done < bytes.byteLength; ) done += writeSync(file, bytes, done, bytes.byteLength - done, fileOffset + done);
}
