import type { Route } from "../model/api/route.ts";
import type { EventFilter } from "../model/event.ts";

export interface TransportCall {
  readonly method: string;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly body: unknown;
  /** Goes along where the same call may be sent again. */
  readonly idempotencyKey?: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What a server tells of its own accord. */
export interface ServerEvent {
  readonly event: string;
  readonly data: unknown;
}

/** Carries one call to the server: in memory inside `up`, HTTP over a Unix socket from the CLI. Throws HoldfastError as the server meant it; UNREACHABLE when nobody answers. */
export interface Transport {
  request(call: TransportCall): Promise<unknown>;
  /** Events as they come; left out where there is no connection to hear them on. */
  readonly events?: (call: Pick<TransportCall, "path" | "query" | "signal">) => AsyncIterable<ServerEvent>;
}

export interface Client {
  call<Input, Output>(route: Route<Input, Output>, input: Input, signal?: AbortSignal): Promise<Output>;
  /** What becomes of jobs and findings, until the signal; left out where the server cannot tell it. */
  readonly events?: (filter: EventFilter, signal?: AbortSignal) => AsyncIterable<ServerEvent>;
}

/** The header that lets a server know a request which comes again. */
export function keyHeader(idempotencyKey: string | undefined): Record<string, string> {
  return idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey };
}
