import { randomUUID } from "node:crypto";
import { link, lstat, mkdir, open, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HoldfastError } from "../lib/errors.ts";
import { makeFolders, syncFolder } from "../lib/folders.ts";
import { writePastCache } from "../lib/write-past-cache.ts";
import { checkKey, UNFINISHED_FOLDER } from "./keys.ts";
import { fileSystemError, systemCode } from "./local-errors.ts";
import { receivedBody } from "./received-body.ts";
import type { Body, PutOptions, StoredObject } from "./storage.ts";

const FILE_MODE = 0o640;
/** A gateway and a server that are different users share a directory by its group, where their umask lets the group write. */
const FOLDER_MODE = 0o770;
/** A delete beside us may remove the folder between making it and linking into it. */
const LINK_TRIES = 20;

export interface NewObject {
  readonly key: string;
  readonly body: Body;
  readonly options: PutOptions;
}

/**
 * Writes under a temporary name on the same file system, syncs, and only then gives the object its name, by a hard
 * link: unlike a rename it fails when the name is taken, so an object can never be overwritten.
 */
export async function putObject(root: string, { key, body, options }: NewObject): Promise<StoredObject> {
  checkKey(key);
  options.signal?.throwIfAborted();
  const path = join(root, key);
  await refuseExisting(path, key);
  const folder = join(root, UNFINISHED_FOLDER);
  const unfinished = join(folder, `${randomUUID()}.part`);
  try {
    await makeUnfinishedFolder(folder);
    await writeFile(unfinished, options.sizeBytes, receivedBody(key, body, options));
    options.signal?.throwIfAborted();
    await giveName(root, unfinished, { path, key });
  } catch (error) {
    // Where nothing can be written nothing can be removed either: what is told is why the write failed.
    await removeIfThere(unfinished).catch(() => undefined);
    throw fileSystemError(error, "written", path);
  }
  return { key, sizeBytes: options.sizeBytes };
}

/** Spares the bytes of a put that must fail; the link decides. */
async function refuseExisting(path: string, key: string): Promise<void> {
  const stats = await lstat(path).catch(() => null);
  if (stats?.isDirectory() === true) throw new HoldfastError("INPUT_INVALID", `${key} cannot be the key of an object: other keys lie below it.`);
  if (stats !== null) throw exists(key);
}

function exists(key: string, cause?: unknown): HoldfastError {
  return new HoldfastError("OBJECT_EXISTS", `The object ${key} exists already and was left as it is.`, { cause });
}

async function writeFile(path: string, sizeBytes: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, "wx", FILE_MODE);
  try {
    await writePastCache(file, sizeBytes, chunks);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function giveName(root: string, unfinished: string, object: { path: string; key: string }): Promise<void> {
  await linkIntoFolder(unfinished, object);
  try {
    // All of them: we, or a put beside us, may have made any of these folders.
    for (let folder = dirname(object.path); folder.length >= root.length; folder = dirname(folder)) {
      await syncFolder(folder);
      if (folder === dirname(folder)) break;
    }
    await unlink(unfinished);
  } catch (error) {
    // Not known to survive a power cut, so it must not be there.
    await removeIfThere(object.path);
    throw error;
  }
}

async function linkIntoFolder(unfinished: string, { path, key }: { path: string; key: string }): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await makeFolderFor(path, key);
      await link(unfinished, path);
      return;
    } catch (error) {
      const code = systemCode(error);
      if (code === "EEXIST") throw exists(key, error);
      if (code === "ENOENT" && tries < LINK_TRIES) continue;
      if (isWithoutHardLinks(error)) throw noHardLinks(path, error);
      throw error;
    }
  }
}

async function makeFolderFor(path: string, key: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: FOLDER_MODE });
  } catch (error) {
    const code = systemCode(error);
    if (code !== "ENOTDIR" && code !== "EEXIST") throw error;
    throw new HoldfastError("INPUT_INVALID", `${key} cannot be the key of an object: an object lies where it needs a folder.`, { cause: error });
  }
}

/** link(2) says EPERM, or that it is not supported, where a file system has no hard links; mkdir(2) means something else by it. */
function isWithoutHardLinks(error: unknown): boolean {
  const isOfLink = error instanceof Error && "syscall" in error && error.syscall === "link";
  return isOfLink && ["EPERM", "ENOTSUP", "EOPNOTSUPP"].includes(systemCode(error) ?? "");
}

function noHardLinks(path: string, cause: unknown): HoldfastError {
  return new HoldfastError("STORAGE_FAILED", `The file system of ${path} does not allow hard links, without which objects could be overwritten.`, {
    cause,
    hint: "Put the repository on a file system with hard links, for example ext4, XFS or NFS.",
  });
}

/** Makes a folder with those above it, and makes sure that each new name survives a power cut. */
async function makeUnfinishedFolder(path: string): Promise<void> {
  const firstMade = await makeFolders(path, FOLDER_MODE);
  if (firstMade === undefined) return;
  for (let made = path; made.length >= firstMade.length; made = dirname(made)) await syncFolder(dirname(made));
}

async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    const code = systemCode(error);
    if (code !== "ENOENT" && code !== "ENOTDIR") throw fileSystemError(error, "removed", path);
  });
}
