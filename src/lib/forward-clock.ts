import type { Clock } from "./clock.ts";

/**
 * Wall time that never goes back: not behind `floorMs`, which is what was reached before, and while the process runs it goes
 * on at least as the monotonic clock does. Ends of grants are judged by it, so that a clock set back revives none.
 */
export function forwardClock(clock: Clock, floorMs: number): Clock {
  let latestMs = Math.max(clock.nowMs(), floorMs);
  let latestMonotonicMs = clock.monotonicMs();
  return {
    monotonicMs: () => clock.monotonicMs(),
    nowMs: () => {
      const monotonicMs = clock.monotonicMs();
      latestMs = Math.max(clock.nowMs(), latestMs + monotonicMs - latestMonotonicMs);
      latestMonotonicMs = monotonicMs;
      return latestMs;
    },
  };
}
