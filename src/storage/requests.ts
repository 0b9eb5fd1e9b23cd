import { Allowance } from "../lib/allowance.ts";
import { type Clock, delay } from "../lib/clock.ts";
import { retry, type RetryOptions } from "../lib/retry.ts";

export interface RequestTerms {
  readonly signal?: AbortSignal | undefined;
  /** True where another try is not for us to make: the body cannot be read again, or the caller counts. */
  readonly isTriedOnce?: boolean;
}

/** Sends one request to a store. What it throws is in the words of the one table of errors: they say whether another try may help. */
export type SendRequest = <T>(request: () => Promise<T>, terms?: RequestTerms) => Promise<T>;

/** For the moments in which a store is busy or a connection breaks; longer trouble is for whoever called. */
export const REQUEST_RETRIES = { tries: 5, firstPauseMs: 100, maxPauseMs: 5_000 } as const;

export const sendPlainly: SendRequest = (request) => request();

/** Sends again while that may help. */
export function sendAgain(send: SendRequest, onRetry?: RetryOptions["onRetry"]): SendRequest {
  return (request, terms = {}) => {
    const tries = terms.isTriedOnce === true ? 1 : REQUEST_RETRIES.tries;
    return retry(() => send(request, terms), { ...REQUEST_RETRIES, tries, signal: terms.signal, onRetry });
  };
}

/** So many requests a second, each try one of them; those that come together wait for each other. */
export function sendInTurn(send: SendRequest, perS: number, clock: Pick<Clock, "monotonicMs">): SendRequest {
  const allowance = new Allowance({ perS, burst: 1 }, clock);
  return async (request, terms) => {
    for (let waitMs = allowance.waitMs(); waitMs > 0; waitMs = allowance.waitMs()) await delay(waitMs, terms?.signal);
    allowance.take();
    return send(request, terms);
  };
}
