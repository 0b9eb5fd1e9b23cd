import type { Route } from "../model/api/route.ts";

export interface TransportCall {
  readonly method: string;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly body: unknown;
  /** Goes along where the same call may be sent again. */
  readonly idempotencyKey?: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Carries one call to the server: in memory inside `up`, HTTP over a Unix socket from the CLI. Throws HoldfastError as the server meant it; UNREACHABLE when nobody answers. */
export interface Transport {
  request(call: TransportCall): Promise<unknown>;
}

export interface Client {
  call<Input, Output>(route: Route<Input, Output>, input: Input, signal?: AbortSignal): Promise<Output>;
}

/** The header that lets a server know a request which comes again. */
export function keyHeader(idempotencyKey: string | undefined): Record<string, string> {
  return idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey };
}
