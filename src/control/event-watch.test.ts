import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { EventWatch } from "./event-watch.ts";

const EVERY_MS = 500;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("a hundred listeners cost one look, those who come later wait for the same, and nobody costs none", async () => {
  const newest = vi.fn(() => Promise.resolve(7));
  const watch = new EventWatch(newest, EVERY_MS);
  const { signal } = new AbortController();
  await vi.advanceTimersByTimeAsync(EVERY_MS);
  expect(newest).not.toHaveBeenCalled();
  const waits = Array.from({ length: 99 }, () => watch.next(signal));
  await vi.advanceTimersByTimeAsync(EVERY_MS - 1);
  waits.push(watch.next(signal));
  expect(newest).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(await Promise.all(waits)).toEqual(Array.from({ length: 100 }, () => 7));
  expect(newest).toHaveBeenCalledOnce();
  await vi.advanceTimersByTimeAsync(10 * EVERY_MS);
  expect(newest).toHaveBeenCalledOnce();
  const again = watch.next(signal);
  await vi.advanceTimersByTimeAsync(EVERY_MS);
  expect([await again, newest.mock.calls.length]).toEqual([7, 2]);
});

test("who leaves is told at once; the last one who leaves ends the looking", async () => {
  const newest = vi.fn(() => Promise.resolve(7));
  const watch = new EventWatch(newest, EVERY_MS);
  const [first, second] = [new AbortController(), new AbortController()];
  const waits = [watch.next(first.signal), watch.next(second.signal)];
  first.abort();
  expect(await waits[0]).toBeNull();
  expect(vi.getTimerCount()).toBe(1);
  second.abort();
  expect(await waits[1]).toBeNull();
  expect(vi.getTimerCount()).toBe(0);
  expect(await watch.next(second.signal)).toBeNull();
  expect(newest).not.toHaveBeenCalled();
});

test("a look that fails is everybody's failure, and the next one is made all the same", async () => {
  const newest = vi.fn(() => Promise.resolve(8)).mockRejectedValueOnce(new Error("the catalog is closed"));
  const watch = new EventWatch(newest, EVERY_MS);
  const { signal } = new AbortController();
  const failed = Promise.allSettled([watch.next(signal), watch.next(signal)]);
  await vi.advanceTimersByTimeAsync(EVERY_MS);
  expect((await failed).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  const next = watch.next(signal);
  await vi.advanceTimersByTimeAsync(EVERY_MS);
  expect(await next).toBe(8);
});
