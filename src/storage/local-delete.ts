import { rmdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { checkKey } from "./keys.ts";
import { fileSystemError, systemCode } from "./local-errors.ts";

/** Names that are not there, or not a file's: nothing to delete. */
const NOTHING_THERE = new Set(["ENOENT", "ENOTDIR", "EISDIR"]);
const FOLDER_STAYS = new Set(["ENOTEMPTY", "EEXIST", "ENOENT", "EBUSY"]);

/** Deletes objects, and the folders that are empty without them, up to the repository's own. */
export async function deleteObjects(root: string, keys: readonly string[]): Promise<void> {
  for (const key of keys) checkKey(key);
  for (const key of keys) {
    const path = join(root, key);
    try {
      await unlink(path);
    } catch (error) {
      if (NOTHING_THERE.has(systemCode(error) ?? "")) continue;
      throw fileSystemError(error, "deleted", path);
    }
    await removeEmptyFolders(root, key);
  }
}

async function removeEmptyFolders(root: string, key: string): Promise<void> {
  for (let folder = dirname(key); folder !== "."; folder = dirname(folder)) {
    try {
      await rmdir(join(root, folder));
    } catch (error) {
      if (FOLDER_STAYS.has(systemCode(error) ?? "")) return;
      throw fileSystemError(error, "removed", join(root, folder));
    }
  }
}
