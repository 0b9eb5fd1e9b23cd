import { expect, test } from "vitest";
import { KeyPace } from "./key-pace.ts";

function pace(limits: { keysPerMinute: number; attemptKeysPerMinute: number }): { time: { ms: number }; keys: KeyPace } {
  const time = { ms: 0 };
  return { time, keys: new KeyPace(limits, { monotonicMs: () => time.ms }) };
}
const refused = (words: string) => expect.objectContaining({ code: "TOO_MANY_REQUESTS", message: expect.stringContaining(words) as string }) as Error;

test("an attempt gets its minute's worth, then as many as time passes, and others are not slowed down by it", () => {
  const { time, keys } = pace({ keysPerMinute: 1_000, attemptKeysPerMinute: 60 });
  for (let count = 0; count < 60; count += 1) keys.admit("a");
  expect(() => keys.admit("a")).toThrow(refused("Attempt a asked for more than 60"));
  keys.admit("b");
  time.ms += 1_000;
  keys.admit("a");
  expect(() => keys.admit("a")).toThrow(refused("limits.attemptKeysPerMinute"));
});

test("all attempts together are limited too, however many there are", () => {
  const { time, keys } = pace({ keysPerMinute: 60, attemptKeysPerMinute: 60 });
  for (let count = 0; count < 60; count += 1) keys.admit(`attempt ${String(count)}`);
  expect(() => keys.admit("another")).toThrow(refused("limits.keysPerMinute"));
  time.ms += 60_000_000;
  for (let count = 0; count < 60; count += 1) keys.admit("another");
  expect(() => keys.admit("one more")).toThrow(refused("limits.keysPerMinute"));
});

test("what was refused is not counted", () => {
  const { time, keys } = pace({ keysPerMinute: 1, attemptKeysPerMinute: 1 });
  keys.admit("a");
  for (let count = 0; count < 100; count += 1) expect(() => keys.admit("a")).toThrow();
  time.ms += 60_000;
  keys.admit("a");
});

test("an attempt does not get a new minute's worth because many others came between", () => {
  const { keys } = pace({ keysPerMinute: 100_000, attemptKeysPerMinute: 2 });
  keys.admit("a");
  keys.admit("a");
  for (let count = 0; count < 3_000; count += 1) keys.admit(`attempt ${String(count)}`);
  expect(() => keys.admit("a")).toThrow(refused("Attempt a"));
});
