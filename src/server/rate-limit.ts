import type { Clock } from "../lib/clock.ts";

export interface Rate {
  readonly perS: number;
  /** How much may come at once after a rest. */
  readonly burst: number;
}

interface Bucket {
  left: number;
  atMs: number;
}

/** Names that are remembered; the one that was quiet longest is forgotten first. */
const MOST_NAMES = 10_000;

/** Lets each name do something so many times a second and no more. */
export class RateLimit {
  readonly #rate: Rate;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: Rate, clock: Pick<Clock, "monotonicMs">) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** False when this name has used up what it may; nothing is taken then. */
  take(name: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    const { perS, burst } = this.#rate;
    const known = this.#buckets.get(name) ?? { left: burst, atMs: nowMs };
    const left = Math.min(burst, known.left + ((nowMs - known.atMs) * perS) / 1_000);
    const mayPass = left >= 1;
    this.#buckets.delete(name);
    this.#buckets.set(name, { left: mayPass ? left - 1 : left, atMs: nowMs });
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > MOST_NAMES && oldest !== undefined) this.#buckets.delete(oldest);
    return mayPass;
  }
}
