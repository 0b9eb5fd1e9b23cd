import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchLock } from "./lock-watch.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a lock that is held for longer than the limit ends the backup, and the sentence names limit and stage", () => {
  const watch = watchLock(40);
  watch.look("BACKUP STAGE BLOCK_DDL");
  vi.advanceTimersByTime(39);
  // The next stage, and every other line, belong to the same span.
  watch.look("BACKUP STAGE BLOCK_COMMIT");
  expect(watch.signal.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect(watch.signal.reason).toMatchObject({ code: "LOCK_TOO_LONG", message: expect.stringMatching(/40 ms \(lockMax\), last in BACKUP STAGE BLOCK_COMMIT/) as unknown });
});

test("a lock that is released in time, a tool that has ended and a backup without a limit are left alone", () => {
  const [released, ended, unlimited] = [watchLock(20), watchLock(20), watchLock(null)];
  for (const watch of [released, ended, unlimited]) watch.look("BACKUP STAGE BLOCK_DDL");
  released.look(null);
  ended.stop();
  vi.advanceTimersByTime(10_000);
  expect([released, ended, unlimited].map(({ signal }) => signal.aborted)).toEqual([false, false, false]);
});
