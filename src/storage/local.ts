import { constants } from "node:fs";
import { lstat, open, readdir, unlink } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { Readable } from "node:stream";
import { z } from "zod";
import { systemClock } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import { handOverChunks } from "../lib/give-back.ts";
import { endsWith } from "../lib/given-up.ts";
import { readPastCache } from "../lib/read-past-cache.ts";
import { checkKey, checkRange, UNFINISHED_FOLDER } from "./keys.ts";
import { deleteObjects } from "./local-delete.ts";
import { fileSystemError, systemCode } from "./local-errors.ts";
import { listObjects } from "./local-list.ts";
import { putObject } from "./local-put.ts";
import { defineStorage, type GetOptions, type Storage, type StoredObject } from "./storage.ts";

const localOptionsSchema = z.strictObject({
  path: z
    .string()
    .refine((path) => isAbsolute(path), "is not an absolute path")
    .meta({ path: true, description: "Path of the directory; made when it is not there." }),
});

/** A directory on this machine: a disk, or a mounted network file system with hard links. */
export const localStorage = defineStorage({
  kind: "local",
  title: "A directory on this machine",
  options: localOptionsSchema,
  open: ({ path }) => openDirectory(resolve(path)),
});

/** `root` is absolute and ends without a slash. */
function openDirectory(root: string): Storage {
  return {
    put: (key, body, options) => putObject(root, { key, body, options }),
    get: (key, options) => getObject(root, key, options),
    stat: (key) => statObject(root, key),
    list: (prefix) => listObjects(root, prefix),
    delete: (keys) => deleteObjects(root, keys),
    leftovers: (options) => leftovers(root, options),
    describe: () => `directory ${root}`,
  };
}

async function getObject(root: string, key: string, { range, signal }: GetOptions = {}): Promise<Readable> {
  checkKey(key);
  signal?.throwIfAborted();
  const path = join(root, key);
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error: unknown) => {
    if (isAbsent(error)) throw notFound(root, key, error);
    throw fileSystemError(error, "opened", path);
  });
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw notFound(root, key);
    if (range !== undefined) checkRange(key, range, stats.size);
    const { start, end } = range ?? { start: 0, end: stats.size };
    if (start === end) {
      await file.close();
      return Readable.from([], { objectMode: false });
    }
    return endsWith(handOverChunks(await readPastCache(file, { start, end })), signal);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function statObject(root: string, key: string): Promise<StoredObject | null> {
  checkKey(key);
  const path = join(root, key);
  try {
    const stats = await lstat(path);
    return stats.isFile() ? { key, sizeBytes: stats.size } : null;
  } catch (error) {
    if (isAbsent(error)) return null;
    throw fileSystemError(error, "looked at", path);
  }
}

async function leftovers(root: string, { olderThanMs, remove }: { olderThanMs: number; remove: boolean }): Promise<string[]> {
  const folder = join(root, UNFINISHED_FOLDER);
  const names = await readdir(folder).catch((error: unknown) => {
    if (isAbsent(error)) return [];
    throw fileSystemError(error, "listed", folder);
  });
  const stale: string[] = [];
  for (const path of names.sort().map((name) => join(folder, name))) {
    try {
      // A write that goes on touches its file, however long it takes.
      if (systemClock.nowMs() - (await lstat(path)).mtimeMs <= olderThanMs) continue;
      if (remove) await unlink(path);
      stale.push(path);
    } catch (error) {
      // Finished or removed in the meantime: nothing is left over.
      if (!isAbsent(error)) throw fileSystemError(error, "removed", path);
    }
  }
  return stale;
}

function isAbsent(error: unknown): boolean {
  const code = systemCode(error);
  return code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP";
}

function notFound(root: string, key: string, cause?: unknown): HoldfastError {
  return new HoldfastError("OBJECT_NOT_FOUND", `There is no object ${key} in the directory ${root}.`, { cause });
}
