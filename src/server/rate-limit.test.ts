import { expect, test } from "vitest";
import { RateLimit } from "./rate-limit.ts";

test("a name may do so much at once, then so much a second, and others are not held back by it", () => {
  const clock = { now: 5_000, monotonicMs: () => clock.now };
  const limit = new RateLimit({ perS: 2, burst: 3 }, clock);
  const takes = (name: string, count: number): number => Array.from({ length: count }, () => limit.take(name)).filter(Boolean).length;
  expect(takes("a", 10)).toBe(3);
  expect(takes("b", 10)).toBe(3);
  clock.now += 1_000;
  expect(takes("a", 10)).toBe(2);
  clock.now += 3_600_000;
  expect(takes("a", 10)).toBe(3);
});

test("names that come and go do not fill the memory, and the one that was quiet longest is forgotten", () => {
  const limit = new RateLimit({ perS: 0, burst: 1 }, { monotonicMs: () => 0 });
  expect(limit.take("first")).toBe(true);
  for (let number = 0; number < 10_000; number += 1) limit.take(`other ${String(number)}`);
  expect([limit.take("first"), limit.take("other 9999")]).toEqual([true, false]);
});
