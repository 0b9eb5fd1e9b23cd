import type { Dirent } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { compareKeys, UNFINISHED_FOLDER } from "./keys.ts";
import { fileSystemError, systemCode } from "./local-errors.ts";
import type { StoredObject } from "./storage.ts";

/** Every object whose key begins with `prefix`, in key order. Only folders that can hold such keys are opened. */
export async function* listObjects(root: string, prefix: string): AsyncGenerator<StoredObject, void, undefined> {
  yield* listFolder(root, "", prefix);
}

async function* listFolder(root: string, folder: string, prefix: string): AsyncGenerator<StoredObject, void, undefined> {
  for (const { key, isFolder } of await entriesOf(root, folder)) {
    if (isFolder && (key.startsWith(prefix) || prefix.startsWith(key))) yield* listFolder(root, key, prefix);
    if (isFolder || !key.startsWith(prefix)) continue;
    const sizeBytes = await sizeOf(join(root, key));
    if (sizeBytes !== null) yield { key, sizeBytes };
  }
}

/** What lies in a folder, in key order: a folder counts with its slash, because that is how its keys go on. */
async function entriesOf(root: string, folder: string): Promise<{ key: string; isFolder: boolean }[]> {
  const entries = await readFolder(join(root, folder));
  return entries
    .filter((entry) => (entry.isDirectory() || entry.isFile()) && !(folder === "" && entry.name === UNFINISHED_FOLDER))
    .map((entry) => ({ key: `${folder}${entry.name}${entry.isDirectory() ? "/" : ""}`, isFolder: entry.isDirectory() }))
    .sort((a, b) => compareKeys(a.key, b.key));
}

async function readFolder(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    // A folder that was emptied and removed while we walked holds nothing.
    if (systemCode(error) === "ENOENT") return [];
    throw fileSystemError(error, "listed", path);
  }
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await lstat(path)).size;
  } catch (error) {
    if (systemCode(error) === "ENOENT") return null;
    throw fileSystemError(error, "looked at", path);
  }
}
