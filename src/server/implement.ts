import type { Route } from "../model/api/route.ts";
import type { ServerContext } from "./context.ts";

/** A route with the code behind it. `handle` gets input that `route.input` has already accepted. */
export interface Implementation {
  readonly route: Route<unknown, unknown>;
  readonly handle: (input: unknown, context: ServerContext, signal: AbortSignal) => Promise<unknown>;
}

/** Ties code to a route; types follow from the route's schemas. `signal` aborts when the caller has gone. */
export function implement<Input, Output>(
  route: Route<Input, Output>,
  handle: (input: Input, context: ServerContext, signal: AbortSignal) => Promise<Output>,
): Implementation {
  // The app calls `handle` only with what `route.input` parsed, so the narrowing holds.
  return { route, handle: (input, context, signal) => handle(input as Input, context, signal) };
}
