import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder with those that are missing above it; gives the topmost one made, undefined when it was there. Throws
 * what the system said of the one it could not make. Node's own recursive mkdir says ENOENT on a file system that is
 * mounted read-only, and never comes back where a folder cannot hold others (procfs).
 */
export async function makeFolders(path: string, mode: number): Promise<string | undefined> {
  try {
    return await makeFolder(path, mode);
  } catch (error) {
    if (codeOf(error) !== "ENOENT" || path === dirname(path)) throw error;
  }
  const above = await makeFolders(dirname(path), mode);
  const own = await makeFolder(path, mode);
  return above ?? own;
}

async function makeFolder(path: string, mode: number): Promise<string | undefined> {
  try {
    await mkdir(path, { mode });
    return path;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return undefined;
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}

/** Makes the names in a folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
