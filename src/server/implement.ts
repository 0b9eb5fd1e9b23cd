import type { Route } from "../model/api/route.ts";
import type { Caller } from "./caller.ts";
import type { ServerContext } from "./context.ts";

/** What a handler may want to know of the call itself. */
export interface Call {
  readonly caller: Caller;
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
