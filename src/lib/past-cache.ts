import { constants, openSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/*
 * Large files that are written or read once go past the page cache (O_DIRECT, open(2)): a backup would otherwise push
 * out of it what the database next to it works with, and filling memory that was not in use costs a virtual machine more
 * than the disk does (five times as much, measured). File systems that cannot do it get ordinary calls.
 */

/** Places and sizes past the cache are multiples of this: no page is larger on any machine that Node runs on. */
const PAGE_BYTES = 64 * 1024;

/** How many of `sizeBytes` at this place of a file are whole pages and may go past the cache. */
export function wholePageBytes(fileOffset: number, sizeBytes: number): number {
  return fileOffset % PAGE_BYTES === 0 ? sizeBytes - (sizeBytes % PAGE_BYTES) : 0;
}

/** The last border between pages at or before this place of a file. */
export function pageStart(fileOffset: number): number {
  return fileOffset - (fileOffset % PAGE_BYTES);
}

/** Opens the same file once more, past the cache; null where that cannot be had. */
export async function openPastCache(file: FileHandle, access: "read" | "write"): Promise<FileHandle | null> {
  return open(sameFile(file.fd), flags(access)).catch(() => null);
}

/** As `openPastCache`, for a thread that may block. */
export function openPastCacheSync(file: number, access: "read" | "write"): number | null {
  try {
    return openSync(sameFile(file), flags(access));
  } catch {
    return null;
  }
}

/** True when a file system that was opened past the cache does not take what it is given, however it is aligned. */
export function isUnfitForDirect(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "EINVAL";
}

function sameFile(file: number): string {
  return `/proc/self/fd/${String(file)}`;
}

function flags(access: "read" | "write"): number {
  return constants.O_DIRECT | (access === "read" ? constants.O_RDONLY : constants.O_WRONLY);
}
