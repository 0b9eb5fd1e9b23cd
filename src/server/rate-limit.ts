import { Allowance, type Rate } from "../lib/allowance.ts";
import type { Clock } from "../lib/clock.ts";

/** Names that are remembered; the one that was quiet longest is forgotten first. */
const MOST_NAMES = 10_000;

/** Lets each name do something so many times a second and no more. */
export class RateLimit {
  readonly #rate: Rate;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #allowances = new Map<string, Allowance>();

  constructor(rate: Rate, clock: Pick<Clock, "monotonicMs">) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** False when this name has used up what it may; nothing is taken then. */
  take(name: string): boolean {
    const allowance = this.#allowances.get(name) ?? new Allowance(this.#rate, this.#clock);
    this.#allowances.delete(name);
    this.#allowances.set(name, allowance);
    const [oldest] = this.#allowances.keys();
    if (this.#allowances.size > MOST_NAMES && oldest !== undefined) this.#allowances.delete(oldest);
    const mayPass = allowance.waitMs() === 0;
    if (mayPass) allowance.take();
    return mayPass;
  }
}
