import { expect, test } from "vitest";
import { ManualClock } from "../../test/fakes/agent-server.ts";
import { Pace } from "./pace.ts";

const KIB = 1024;
const never = new AbortController().signal;

async function take(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const taken: Uint8Array[] = [];
  for await (const chunk of chunks) taken.push(chunk);
  return Buffer.concat(taken);
}

/** A pace on a clock that each wait moves on. */
function paceOf(bytesPerS: number): { pace: Pace; clock: ManualClock } {
  const clock = new ManualClock();
  const pace = new Pace(bytesPerS, clock, async (waitMs) => {
    clock.monotonic += waitMs;
  });
  return { pace, clock };
}

test("bytes pass unchanged and take as long as the limit says", async () => {
  const { pace, clock } = paceOf(1_000 * KIB);
  const bytes = Buffer.from(Uint8Array.from({ length: 700 * KIB }, (_, number) => number % 251));
  const startMs = clock.monotonic;
  expect((await take(pace.paced([bytes.subarray(0, 10), bytes.subarray(10)], never))).equals(bytes)).toBe(true);
  // A tenth of a second of credit stands at the start.
  expect(clock.monotonic - startMs).toBeCloseTo(700 - 100, 0);
});

test("streams side by side share one limit", async () => {
  const { pace, clock } = paceOf(1_000 * KIB);
  const startMs = clock.monotonic;
  await Promise.all([take(pace.paced([Buffer.alloc(500 * KIB)], never)), take(pace.paced([Buffer.alloc(500 * KIB)], never))]);
  expect(clock.monotonic - startMs).toBeGreaterThanOrEqual(900);
});

test("a pause is not caught up on", async () => {
  const { pace, clock } = paceOf(1_000 * KIB);
  await take(pace.paced([Buffer.alloc(200 * KIB)], never));
  clock.monotonic += 60_000;
  const startMs = clock.monotonic;
  await take(pace.paced([Buffer.alloc(400 * KIB)], never));
  expect(clock.monotonic - startMs).toBeCloseTo(400 - 100, 0);
});

test("a wait ends with the signal", async () => {
  const stop = new AbortController();
  const sending = take(new Pace(64 * KIB, new ManualClock()).paced([Buffer.alloc(640 * KIB)], stop.signal));
  stop.abort(new Error("stopped by hand"));
  await expect(sending).rejects.toThrow("stopped by hand");
});
