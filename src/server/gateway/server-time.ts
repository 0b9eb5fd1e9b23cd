import type { Clock } from "../../lib/clock.ts";

/**
 * The time by which grants expire: the clock's, but it never goes back. While the process runs it goes on as the
 * monotonic clock does; across a restart it begins at the mark that was kept.
 */
export class ServerTime implements Pick<Clock, "nowMs"> {
  readonly #clock: Clock;
  #latestMs: number;
  #monotonicMs: number;

  constructor(clock: Clock, highWaterMs: number) {
    this.#clock = clock;
    this.#latestMs = Math.max(clock.nowMs(), highWaterMs);
    this.#monotonicMs = clock.monotonicMs();
  }

  nowMs(): number {
    const monotonicMs = this.#clock.monotonicMs();
    this.#latestMs = Math.max(this.#clock.nowMs(), this.#latestMs + monotonicMs - this.#monotonicMs);
    this.#monotonicMs = monotonicMs;
    return this.#latestMs;
  }

  /** How far it is ahead of the clock, which was set back or had been wrong by so much. */
  aheadMs(): number {
    return this.nowMs() - this.#clock.nowMs();
  }
}
