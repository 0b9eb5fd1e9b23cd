import type { Route } from "../model/api/route.ts";

/** Carries one call to the server: in memory inside `up`, HTTP over a Unix socket from the CLI. Throws HoldfastError as the server meant it; UNREACHABLE when nobody answers. */
export interface Transport {
  request(call: { method: string; path: string; query: Record<string, string>; body: unknown; signal: AbortSignal | undefined }): Promise<unknown>;
}

export interface Client {
  call<Input, Output>(route: Route<Input, Output>, input: Input, signal?: AbortSignal): Promise<Output>;
}
