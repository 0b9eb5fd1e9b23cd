import { markSwept, unsweptAttempts } from "../catalog/attempts.ts";
import { getBackup } from "../catalog/backups.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import { deleteLogGrant, doomedObjects, doomObjects, expiredLogGrants, forgetDoomedObjects, getPendingPiece, type LogGrant, postponeDoomedObjects } from "../catalog/pieces-in-work.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { getPiece } from "../catalog/segments.ts";
import { isoTime } from "../lib/clock.ts";
import { backupPrefix, manifestKey } from "../model/manifest.ts";
import { locksIn } from "../storage/locked-objects.ts";
import { isFrozen } from "./frozen.ts";
import { type ControlPorts, storageOf } from "./ports.ts";

/** A gate may let a put that it admitted in time run on for a while. */
const GRACE_MS = 60 * 60_000;
const BATCH = 500;
/** A legal hold has no end that could be waited for. */
const LOOK_AGAIN_MS = 24 * 60 * 60_000;
const LOCK_PAUSE_MS = 60_000;

/** What the sweeps have deleted, by key. */
export interface Swept {
  readonly keys: readonly string[];
}

/**
 * Deletes what attempts left that came to nothing, once their last grant has long expired. A prefix with a manifest is
 * a backup, whatever the catalog says, and is left alone.
 */
export async function sweepDeadAttempts(ports: ControlPorts): Promise<Swept> {
  const keys: string[] = [];
  if (await isFrozen(ports.catalog.db)) return { keys };
  const nowMs = ports.clock.nowMs();
  for (const attempt of await unsweptAttempts(ports.catalog.db, nowMs - GRACE_MS)) {
    if ((attempt.jobKind === "backup" || attempt.jobKind === "reseal") && attempt.instanceId !== null && attempt.lastGrantExpiresAtMs > 0) {
      const swept = await sweepPrefix(ports, { attemptId: attempt.id, instanceId: attempt.instanceId, repository: attempt.repository });
      if (swept === null) continue;
      keys.push(...swept);
    }
    await markSwept(ports.catalog.db, attempt.id, isoTime(nowMs));
  }
  return { keys };
}

/** Null while some of it is locked: then it is looked at again later. */
async function sweepPrefix(ports: ControlPorts, dead: { attemptId: string; instanceId: string; repository: string }): Promise<string[] | null> {
  const storage = storageOf(ports, dead.repository);
  const manifest = await storage.stat(manifestKey(dead.instanceId, dead.attemptId));
  if (manifest !== null || (await getBackup(ports.catalog.db, dead.attemptId)) !== null) {
    ports.log.error({ attemptId: dead.attemptId }, "an attempt that came to nothing has a manifest; nothing is deleted");
    return [];
  }
  const keys: string[] = [];
  for await (const { key } of storage.list(backupPrefix(dead.instanceId, dead.attemptId))) keys.push(key);
  try {
    // Alone and first: where it is locked still, that is one refusal instead of thousands.
    await storage.delete(keys.slice(-1));
    for (let from = 0; from < keys.length; from += BATCH) await storage.delete(keys.slice(from, from + BATCH));
  } catch (error) {
    if (locksIn(error) === null) throw error;
    ports.log.info({ attemptId: dead.attemptId, err: error }, "objects of a dead attempt are still locked");
    return null;
  }
  if (keys.length > 0) ports.log.info({ attemptId: dead.attemptId, objects: keys.length }, "objects of a dead attempt deleted");
  return keys;
}

/**
 * Gives up log objects that were granted and never became a piece, once their grant has long expired. The catalog
 * decides first, in a transaction: a piece that is reported later is refused instead of committed without its object.
 */
export async function sweepLogGrants(ports: ControlPorts): Promise<Swept> {
  const keys: string[] = [];
  if (await isFrozen(ports.catalog.db)) return { keys };
  for (const grant of await expiredLogGrants(ports.catalog.db, ports.clock.nowMs() - GRACE_MS)) {
    const { key, repository } = grant;
    const isGivenUp = await inTransaction(ports.catalog.db, async (db) => {
      await deleteLogGrant(db, key);
      if (await isPiece(db, grant)) return false;
      await doomObjects(db, [{ key, repository, rank: 1 }]);
      return true;
    });
    if (isGivenUp) keys.push(key);
  }
  await deleteDoomedObjects(ports);
  return { keys };
}

async function isPiece(db: CatalogDb, { segmentId }: LogGrant): Promise<boolean> {
  return (await getPendingPiece(db, segmentId)) !== null || (await getPiece(db, segmentId)) !== null;
}

/** Deletes objects that the catalog gave up when it committed what replaces them: signed documents before data. */
export async function deleteDoomedObjects(ports: ControlPorts): Promise<number> {
  let deleted = 0;
  if (await isFrozen(ports.catalog.db)) return deleted;
  for (;;) {
    const batch = await doomedObjects(ports.catalog.db, { nowMs: ports.clock.nowMs(), limit: BATCH });
    const [first] = batch;
    if (first === undefined) return deleted;
    // One rank of one repository at a time, so that no document outlives its data.
    const alike = batch.filter(({ rank, repository }) => rank === first.rank && repository === first.repository).map(({ key }) => key);
    const gone = await deleteUnlocked(ports, first.repository, alike);
    await forgetDoomedObjects(ports.catalog.db, gone);
    deleted += gone.length;
  }
}

/** Deletes what is not locked and lets the rest wait, with all that belongs to it. Returns the keys that are gone. */
async function deleteUnlocked(ports: ControlPorts, repository: string, keys: readonly string[]): Promise<readonly string[]> {
  try {
    await storageOf(ports, repository).delete(keys);
    return keys;
  } catch (error) {
    const locks = locksIn(error);
    if (locks === null) throw error;
    const nowMs = ports.clock.nowMs();
    for (const { key, lockedUntilMs } of locks) {
      // Later than now in any case: whose clock is ahead does not matter, the loop ends.
      await postponeDoomedObjects(ports.catalog.db, stemOf(key), Math.max(lockedUntilMs ?? nowMs + LOOK_AGAIN_MS, nowMs + LOCK_PAUSE_MS));
    }
    const locked = new Set(locks.map(({ key }) => key));
    return keys.filter((key) => !locked.has(key));
  }
}

/** A piece of log is several objects whose names differ behind the first dot: `<id>.json`, `<id>.zst.age`. */
function stemOf(key: string): string {
  const name = key.lastIndexOf("/") + 1;
  const dot = key.indexOf(".", name);
  return dot === -1 ? key : key.slice(0, dot);
}
