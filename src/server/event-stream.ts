import { Readable } from "node:stream";
import type { FeedEvent } from "../control/event-feed.ts";
import { HoldfastError } from "../lib/errors.ts";

/** Of one caller, and of everybody. */
const MOST_OF_ONE = 5;
const MOST = 100;

/** How many listen; one for each application. */
export class Listeners {
  readonly #of = new Map<string, number>();
  #all = 0;

  /** Gives the function that ends it. TOO_MANY_REQUESTS when this caller, or everybody together, has as many as there may be. */
  begin(caller: string): () => void {
    const own = this.#of.get(caller) ?? 0;
    if (own >= MOST_OF_ONE || this.#all >= MOST) {
      throw new HoldfastError("TOO_MANY_REQUESTS", own >= MOST_OF_ONE ? `This caller has ${String(own)} event streams open; there may be ${String(MOST_OF_ONE)}.` : `There are ${String(this.#all)} event streams open; there may be no more.`);
    }
    this.#of.set(caller, own + 1);
    this.#all += 1;
    let hasEnded = false;
    return () => {
      if (hasEnded) return;
      hasEnded = true;
      this.#all -= 1;
      const left = (this.#of.get(caller) ?? 1) - 1;
      if (left > 0) this.#of.set(caller, left);
      else this.#of.delete(caller);
    };
  }
}

/** The number in `Last-Event-ID`; null without one. INPUT_INVALID for anything else than what this server gave. */
export function lastEventId(header: string | string[] | undefined): number | null {
  if (header === undefined || header === "") return null;
  if (typeof header === "string" && /^\d{1,15}$/.test(header)) return Number(header);
  throw new HoldfastError("INPUT_INVALID", "The Last-Event-ID is not the id of an event.");
}

/** Events in the form of the standard. Ends when the feed does; its end, well or not, calls `done`. */
export function eventStream(feed: AsyncIterable<FeedEvent>, done: () => void): Readable {
  return Readable.from(textOf(feed, done), { objectMode: false });
}

async function* textOf(feed: AsyncIterable<FeedEvent>, done: () => void): AsyncGenerator<string> {
  try {
    yield "retry: 1000\n\n";
    for await (const one of feed) {
      yield one.event === "heartbeat" ? ": still here\n\n" : `event: ${one.event}\nid: ${String(one.id)}\ndata: ${JSON.stringify(one.data)}\n\n`;
    }
  } catch {
    // The answer has begun: there is no way to say it but to end.
  } finally {
    done();
  }
}
