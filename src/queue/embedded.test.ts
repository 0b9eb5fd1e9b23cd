import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { embeddedQueue } from "./embedded.ts";

test("a knock reaches every listener of its pool and no other, and not inside the call", async () => {
  const queue = embeddedQueue();
  const stop = new AbortController();
  const heard: string[] = [];
  const listening = [
    queue.listen("berlin", (jobId) => heard.push(`a:${jobId}`), stop.signal),
    queue.listen("berlin", (jobId) => heard.push(`b:${jobId}`), stop.signal),
    queue.listen("paris", (jobId) => heard.push(`c:${jobId}`), stop.signal),
  ];
  await queue.knock("berlin", "1");
  expect(heard).toEqual([]);
  await nextTurn();
  expect(heard).toEqual(["a:1", "b:1"]);
  stop.abort();
  await Promise.all(listening);
  await queue.knock("berlin", "2");
  await nextTurn();
  expect(heard).toEqual(["a:1", "b:1"]);
});

test("a knock that nobody hears is lost without an error", async () => {
  await expect(embeddedQueue().knock("nowhere", "1")).resolves.toBeUndefined();
});
