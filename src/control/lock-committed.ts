import { getPolicy } from "../catalog/policies.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { sideBySide } from "../lib/side-by-side.ts";
import type { ObjectLock } from "../storage/storage.ts";
import { chainOf, objectKeys } from "./chain-objects.ts";
import { type ControlPorts, storageOf } from "./ports.ts";

const AT_ONCE = 8;
/** Part of the period that a parent's lock is extended beyond its child's: so the next incrementals find it long enough. */
const AHEAD_SHARE = 0.1;

interface Locking {
  readonly repository: string;
  readonly policy: string;
}

export interface Committed extends Locking {
  readonly keys: readonly string[];
}

/** Locks what is committed for as long as its policy says, or the repository where it does not; nothing where there are no locks. */
export async function lockCommitted(ports: ControlPorts, { keys, ...locking }: Committed): Promise<void> {
  const { lock } = storageOf(ports, locking.repository);
  if (lock === undefined) return;
  const untilMs = ports.clock.nowMs() + (await lockMs(ports, lock, locking));
  await sideBySide(keys, AT_ONCE, (key) => lock.extend(key, untilMs));
}

/**
 * Locks everything that an incremental builds on for at least as long as the incremental will be: without its full it is
 * worth nothing. A backup's manifest is locked last, so its lock speaks for all of its objects.
 */
export async function lockParents(ports: ControlPorts, { parentId, ...locking }: Locking & { parentId: string }): Promise<void> {
  const { lock } = storageOf(ports, locking.repository);
  if (lock === undefined) return;
  const { db } = ports.catalog;
  const periodMs = await lockMs(ports, lock, locking);
  const untilMs = ports.clock.nowMs() + periodMs;
  const aheadMs = untilMs + periodMs * AHEAD_SHARE;
  for (const link of await chainOf(db, parentId)) {
    try {
      await lockBackup(lock, await objectKeys(db, link), { unlessUntilMs: untilMs, untilMs: aheadMs });
    } catch (error) {
      // A check will find it and name it; to leave the child uncommitted for ever would not bring it back.
      if (!isHoldfastError(error, "OBJECT_NOT_FOUND")) throw error;
      ports.log.error({ backupId: link.backupId, err: error }, "an object of a parent backup is missing and cannot be locked");
    }
  }
}

async function lockBackup(lock: ObjectLock, keys: readonly string[], { unlessUntilMs, untilMs }: { unlessUntilMs: number; untilMs: number }): Promise<void> {
  const manifest = keys.at(-1) ?? "";
  const { lockedUntilMs } = await lock.state(manifest);
  if (lockedUntilMs !== null && lockedUntilMs >= unlessUntilMs) return;
  await sideBySide(keys.slice(0, -1), AT_ONCE, (key) => lock.extend(key, untilMs));
  await lock.extend(manifest, untilMs);
}

async function lockMs(ports: ControlPorts, lock: ObjectLock, { policy }: Locking): Promise<number> {
  return (await getPolicy(ports.catalog.db, policy))?.spec.lockFor ?? lock.committedMs;
}
