import type { Clock } from "../../src/lib/clock.ts";
import { HoldfastError } from "../../src/lib/errors.ts";
import { objectsLocked } from "../../src/storage/locked-objects.ts";
import { passThrough } from "../../src/storage/pass-through.ts";
import type { ObjectLock, Storage } from "../../src/storage/storage.ts";

/** A storage with locks beside it, for tests of what lies above the drivers; it passes the drivers' own contract. */
export function lockedStorage(storage: Storage, { clock, uncommittedMs, committedMs }: { clock: Pick<Clock, "nowMs">; uncommittedMs: number; committedMs: number }): Storage & { lock: ObjectLock } {
  const locks = new Map<string, { untilMs: number; isHeld: boolean }>();
  const require = (key: string): { untilMs: number; isHeld: boolean } => {
    const lock = locks.get(key);
    if (lock === undefined) throw new HoldfastError("OBJECT_NOT_FOUND", `There is no object ${key}.`);
    return lock;
  };
  const guarded = passThrough(storage, {
    put: async (key, body, options) => {
      const stored = await storage.put(key, body, options);
      locks.set(key, { untilMs: clock.nowMs() + uncommittedMs, isHeld: false });
      return stored;
    },
    delete: async (keys) => {
      const locked = keys.filter((key) => (locks.get(key)?.untilMs ?? 0) > clock.nowMs() || locks.get(key)?.isHeld === true);
      const free = keys.filter((key) => !locked.includes(key));
      await storage.delete(free);
      for (const key of free) locks.delete(key);
      if (locked.length === 0) return;
      throw objectsLocked(storage.describe(), locked.map((key) => ({ key, lockedUntilMs: require(key).isHeld ? null : require(key).untilMs })));
    },
  });
  return {
    ...guarded,
    lock: {
      committedMs,
      state: async (key) => ({ lockedUntilMs: require(key).untilMs, isHeld: require(key).isHeld }),
      extend: async (key, untilMs) => {
        const lock = require(key);
        lock.untilMs = Math.max(lock.untilMs, untilMs);
      },
      hold: async (key, isHeld) => {
        require(key).isHeld = isHeld;
      },
      tryToBreak: async () => ["delete it", "shorten its lock", "shorten its lock with the right to bypass", "delete it with the right to bypass"].map((attempt) => ({ attempt, isRefused: true })),
    },
  };
}
