import { expect, it } from "vitest";
import { sideBySide } from "./side-by-side.ts";

it("does every item once, in order, and never more at a time than was said", async () => {
  const begun: number[] = [];
  let running = 0;
  let mostRunning = 0;
  await sideBySide([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    begun.push(item);
    mostRunning = Math.max(mostRunning, (running += 1));
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
  });
  expect(begun).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(mostRunning).toBe(3);
});

it("throws what failed first, and the work that goes on ends the list without it", async () => {
  const done: number[] = [];
  const work = sideBySide([1, 2, 3], 2, async (item) => {
    if (item === 1) throw new Error("one");
    await Promise.resolve();
    done.push(item);
  });
  await expect(work).rejects.toThrow("one");
  await expect.poll(() => done).toEqual([2, 3]);
});
