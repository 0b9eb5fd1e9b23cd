import { setTimeout as wait } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import type { LockedObject } from "../../src/storage/locked-objects.ts";
import type { ObjectLock, Storage } from "../../src/storage/storage.ts";
import { promiseOf } from "../fixtures/promise-of.ts";

const HOUR_MS = 3_600_000;

/** Every sentence of `ObjectLock`, as tests; `open` gives a new, empty storage whose puts lock for `uncommittedMs`. */
export function describeObjectLock(name: string, open: (uncommittedMs: number) => Promise<Storage>): void {
  let storage: Storage;
  let lock: ObjectLock;
  beforeEach(async () => {
    await openWith(HOUR_MS);
  });

  async function openWith(uncommittedMs: number): Promise<void> {
    storage = await open(uncommittedMs);
    lock = storage.lock!;
  }

  const put = (key: string, text: string) => {
    const body = Buffer.from(text);
    return storage.put(key, [body], promiseOf(body));
  };
  const contents = async (key: string): Promise<string> => Buffer.concat(await (await storage.get(key)).toArray()).toString();
  const lockedUntil = async (key: string): Promise<number> => (await lock.state(key)).lockedUntilMs ?? 0;

  /** Deletes as soon as the store allows it. */
  async function deleteAfterLock(key: string): Promise<void> {
    for (;;) {
      const refused = await storage.delete([key]).then(() => null, (error: unknown) => error);
      if (refused === null) return;
      expect(refused).toMatchObject({ code: "OBJECT_LOCKED" });
      await wait(200);
    }
  }

  describe(`${name}: locks`, () => {
    test("every put locks its object at once, for as long as was said", async () => {
      const before = Date.now();
      await put("a/b", "x");
      const until = await lockedUntil("a/b");
      expect(until).toBeGreaterThanOrEqual(before + HOUR_MS);
      expect(until).toBeLessThanOrEqual(Date.now() + HOUR_MS + 1_000);
      expect((await lock.state("a/b")).isHeld).toBe(false);
    });

    test("an object is written once under its lock too", async () => {
      await put("k", "first");
      await expect(put("k", "second")).rejects.toMatchObject({ code: "OBJECT_EXISTS" });
      expect(await contents("k")).toBe("first");
    });

    test("what is locked is not deleted, and is named", async () => {
      await put("a", "x");
      await put("b", "y");
      await expect(storage.delete(["a", "no/such", "b"])).rejects.toMatchObject({
        code: "OBJECT_LOCKED",
        message: expect.stringMatching(/is locked until \d{4}-\d\d-\d\dT/) as string,
        details: { locks: expect.toSatisfy((locks: LockedObject[]) => [...locks.map(({ key }) => key)].sort().join() === "a,b" && locks.every(({ lockedUntilMs }) => (lockedUntilMs ?? 0) > Date.now())) as LockedObject[] },
      });
      expect(await contents("a")).toBe("x");
      expect(await storage.stat("b")).toEqual({ key: "b", sizeBytes: 1 });
    });

    test("after its end an object is deleted, whatever stays beside it", async () => {
      await openWith(2_000);
      await put("short", "x");
      await put("long", "y");
      await lock.extend("long", Date.now() + HOUR_MS);
      while (Date.now() <= (await lockedUntil("short"))) await wait(100);
      await expect(storage.delete(["long", "short"])).rejects.toMatchObject({ code: "OBJECT_LOCKED", details: { locks: [{ key: "long" }] } });
      expect(await storage.stat("short")).toBeNull();
      expect(await contents("long")).toBe("y");
    });

    test("a lock is extended, never shortened", async () => {
      await put("k", "x");
      const later = Date.now() + 5 * HOUR_MS;
      await lock.extend("k", later);
      const until = await lockedUntil("k");
      expect(until).toBeGreaterThanOrEqual(later);
      await lock.extend("k", Date.now() + 2 * HOUR_MS);
      expect(await lockedUntil("k")).toBe(until);
    });

    test("a legal hold keeps an object beyond its lock, until it is lifted", async () => {
      await openWith(1_000);
      await put("k", "x");
      await lock.hold("k", true);
      await lock.hold("k", true);
      expect((await lock.state("k")).isHeld).toBe(true);
      while (Date.now() <= (await lockedUntil("k"))) await wait(100);
      await expect(storage.delete(["k"])).rejects.toMatchObject({ code: "OBJECT_LOCKED", message: expect.stringContaining("legal hold") as string });
      await lock.hold("k", false);
      expect((await lock.state("k")).isHeld).toBe(false);
      await deleteAfterLock("k");
      expect(await storage.stat("k")).toBeNull();
    });

    test("what is not there has no lock to change", async () => {
      const absent = { code: "OBJECT_NOT_FOUND" };
      await expect(lock.state("no/such")).rejects.toMatchObject(absent);
      await expect(lock.extend("no/such", Date.now() + HOUR_MS)).rejects.toMatchObject(absent);
      await expect(lock.hold("no/such", true)).rejects.toMatchObject(absent);
    });

    test("nothing that is tried gets around the lock", async () => {
      await put("k", "x");
      const until = await lockedUntil("k");
      const trials = await lock.tryToBreak("k");
      expect(trials.length).toBeGreaterThanOrEqual(4);
      expect(trials.filter(({ isRefused }) => !isRefused)).toEqual([]);
      expect(await lockedUntil("k")).toBe(until);
      expect(await contents("k")).toBe("x");
    });
  });
}
