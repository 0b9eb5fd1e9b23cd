import { createHash } from "node:crypto";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { NewId } from "../lib/ids.ts";
import type { Diagnosis } from "../model/api/system.ts";
import { locksIn } from "../storage/locked-objects.ts";
import type { ObjectLock, Storage } from "../storage/storage.ts";
import { readDocument } from "./stored-document.ts";

/** What the doctor writes to try a repository; where it is locked, it stays until a later run. */
export const TRIAL_PREFIX = "_control/doctor/";

/** Tells what a repository withstands by trying: it is written and read, and then overwriting and deleting are tried. Throws what the storage says. */
export async function tryRepository(newId: NewId, subject: string, storage: Storage): Promise<Diagnosis[]> {
  const key = `${TRIAL_PREFIX}${newId()}`;
  await write(storage, key, "holdfast doctor\n");
  try {
    await readDocument(storage, key);
    await requireWriteOnce(storage, key);
    if (storage.lock !== undefined) return [await tryLock(subject, storage, storage.lock, key)];
  } finally {
    await removeTrials(storage);
  }
  const message = `${storage.describe()} can be written, read and cleaned, and nothing in it can be overwritten. It has no locks: whoever gets these credentials, or root here, can delete everything in it.`;
  return [{ subject, status: "ok", message, remedy: null }];
}

async function write(storage: Storage, key: string, text: string): Promise<void> {
  const body = Buffer.from(text, "utf8");
  await storage.put(key, [body], { sizeBytes: body.byteLength, sha256: createHash("sha256").update(body).digest("hex") });
}

async function requireWriteOnce(storage: Storage, key: string): Promise<void> {
  try {
    await write(storage, key, "overwritten\n");
  } catch (error) {
    if (isHoldfastError(error, "OBJECT_EXISTS")) return;
    throw error;
  }
  throw new HoldfastError("STORAGE_UNSUITABLE", `${storage.describe()} let an object be overwritten.`, { hint: "Do not rely on this repository: use a store that knows conditional writes." });
}

async function tryLock(subject: string, storage: Storage, lock: ObjectLock, key: string): Promise<Diagnosis> {
  const { lockedUntilMs } = await lock.state(key);
  if (lockedUntilMs === null) throw new HoldfastError("STORAGE_UNSUITABLE", `${storage.describe()} took a lock with an object, but the object is not locked.`, { hint: "Do not rely on this repository: use a store that keeps Object Lock." });
  const trials = await lock.tryToBreak(key);
  const broken = trials.filter(({ isRefused }) => !isRefused).map(({ attempt }) => attempt);
  const tried = trials.map(({ attempt }) => attempt).join(", ");
  if (broken.length === 0) {
    const message = `${storage.describe()} can be written and read. It was tried to overwrite a locked object, and to ${tried}: all refused. Whoever gets these credentials, or root here, cannot delete or change what is locked.`;
    return { subject, status: "ok", message, remedy: null };
  }
  const message = `${storage.describe()} has locks that do not hold against these credentials: it was possible to ${broken.join(", ")}.`;
  return { subject, status: "warning", message, remedy: "Set `lock.mode` to compliance, or take the right to bypass (s3:BypassGovernanceRetention) away from these credentials." };
}

/** What is locked goes at a later run. */
async function removeTrials(storage: Storage): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of storage.list(TRIAL_PREFIX)) keys.push(key);
  try {
    await storage.delete(keys);
  } catch (error) {
    if (locksIn(error) === null) throw error;
  }
}
