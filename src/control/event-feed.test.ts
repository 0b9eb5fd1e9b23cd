import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { newestEvent } from "../catalog/events.ts";
import { openWorld, submit, type World } from "./control.fixture.ts";
import { eventFeed } from "./event-feed.ts";
import { EventWatch } from "./event-watch.ts";

let world: World;

beforeEach(async () => {
  world = await openWorld();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(async () => {
  vi.useRealTimers();
  await world.close();
});

test("a hundred feeds cost one poll of the catalog, and each tells what it finds", async () => {
  const newest = vi.fn(() => newestEvent(world.ports.catalog.db));
  const watch = new EventWatch(newest);
  const waits = vi.spyOn(watch, "next");
  const { signal } = new AbortController();
  const feeds = Array.from({ length: 100 }, () => eventFeed({ ...world.dispatcher, watch }, { filter: {}, after: null, admit: () => Promise.resolve(), signal }));
  const heard = feeds.map((feed) => feed.next());
  while (waits.mock.calls.length < feeds.length) await setImmediate();
  const { jobId } = await submit(world, { kind: "probe" });
  vi.advanceTimersToNextTimer();
  for (const { value } of await Promise.all(heard)) expect(value).toMatchObject({ event: "job", id: 1, data: { jobId } });
  expect(newest).toHaveBeenCalledOnce();
  await Promise.all(feeds.map((feed) => feed.return(undefined)));
  expect(vi.getTimerCount()).toBe(0);
});
