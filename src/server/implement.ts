import type { FeedEvent } from "../control/event-feed.ts";
import type { Route } from "../model/api/route.ts";
import type { Caller } from "./caller.ts";
import type { ServerContext } from "./context.ts";

/** What a handler may want to know of the call itself. */
export interface Call {
  readonly caller: Caller;
  /** As the header `Last-Event-ID` has it. */
  readonly lastEventId: string | string[] | undefined;
  /** Throws when the caller would not be let in any longer. */
  readonly admit: () => Promise<void>;
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignal;
}

/** A route with the code behind it. `handle` gets input that `route.input` has already accepted, from a caller that `route.role` admits. */
export interface Implementation {
  readonly route: Route<unknown, unknown>;
  readonly handle: (input: unknown, context: ServerContext, call: Call) => Promise<unknown>;
}

/** Ties code to a route; types follow from the route's schemas. */
export function implement<Input, Output>(
  route: Route<Input, Output>,
  handle: (input: Input, context: ServerContext, call: Call) => Promise<Output>,
): Implementation {
  // The app calls `handle` only with what `route.input` parsed, so the narrowing holds.
  return { route, handle: (input, context, call) => handle(input as Input, context, call) };
}

/** Ties code to a route that answers with events. */
export function implementStream<Input>(route: Route<Input, string>, handle: (input: Input, context: ServerContext, call: Call) => AsyncIterable<FeedEvent>): Implementation {
  return { route, handle: async (input, context, call) => handle(input as Input, context, call) };
}
