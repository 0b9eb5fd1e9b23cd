import type { Clock } from "./clock.ts";

export interface Rate {
  readonly perS: number;
  /** How much may come at once after a rest. */
  readonly burst: number;
}

/** So many a second on the long run, and after a rest a burst at once. */
export class Allowance {
  readonly #rate: Rate;
  readonly #clock: Pick<Clock, "monotonicMs">;
  #left: number;
  #atMs: number;

  constructor(rate: Rate, clock: Pick<Clock, "monotonicMs">) {
    this.#rate = rate;
    this.#clock = clock;
    this.#left = rate.burst;
    this.#atMs = clock.monotonicMs();
  }

  /** Milliseconds until there is one to take; 0 when there is. */
  waitMs(): number {
    const { perS, burst } = this.#rate;
    const nowMs = this.#clock.monotonicMs();
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#atMs) * perS) / 1_000);
    this.#atMs = nowMs;
    return this.#left >= 1 ? 0 : Math.ceil(((1 - this.#left) * 1_000) / perS);
  }

  take(): void {
    this.#left -= 1;
  }

  get isFull(): boolean {
    return this.waitMs() === 0 && this.#left >= this.#rate.burst;
  }
}

/** So many a minute; after a rest a minute's worth may go out at once. */
export function perMinute(count: number, clock: Pick<Clock, "monotonicMs">): Allowance {
  return new Allowance({ perS: count / 60, burst: count }, clock);
}
