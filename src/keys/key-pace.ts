import { type Allowance, perMinute } from "../lib/allowance.ts";
import type { Clock } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";

export interface KeyLimits {
  readonly keysPerMinute: number;
  readonly attemptKeysPerMinute: number;
}

/** Above this many, attempts that have not asked for a minute are forgotten. */
const REMEMBERED_ATTEMPTS = 1_000;

/** How fast file keys may go out: for each attempt, so that one that was stolen opens little, and in all. */
export class KeyPace {
  readonly #limits: KeyLimits;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #inAll: Allowance;
  readonly #attempts = new Map<string, Allowance>();

  constructor(limits: KeyLimits, clock: Pick<Clock, "monotonicMs">) {
    this.#limits = limits;
    this.#clock = clock;
    this.#inAll = perMinute(limits.keysPerMinute, clock);
  }

  /** Counts one key of an attempt whose grant was checked; TOO_MANY_REQUESTS says when to come again. */
  admit(attemptId: string): void {
    const own = this.#attempts.get(attemptId) ?? perMinute(this.#limits.attemptKeysPerMinute, this.#clock);
    this.#attempts.set(attemptId, own);
    if (this.#attempts.size > REMEMBERED_ATTEMPTS) this.#forget();
    const { keysPerMinute, attemptKeysPerMinute } = this.#limits;
    refuse(own.waitMs(), `Attempt ${attemptId} asked for more than ${String(attemptKeysPerMinute)} file keys in a minute (limits.attemptKeysPerMinute).`);
    refuse(this.#inAll.waitMs(), `The keyholder was asked for more than ${String(keysPerMinute)} file keys in a minute (limits.keysPerMinute).`);
    own.take();
    this.#inAll.take();
  }

  #forget(): void {
    for (const [attemptId, allowance] of this.#attempts) if (allowance.isFull) this.#attempts.delete(attemptId);
  }
}

function refuse(waitMs: number, message: string): void {
  if (waitMs > 0) throw new HoldfastError("TOO_MANY_REQUESTS", message, { hint: "It is tried again by itself; if this is a restore that you asked for, raise the limit of the keyholder.", details: { waitMs } });
}
