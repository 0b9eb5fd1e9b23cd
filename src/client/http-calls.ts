import type { ClientRequest, RequestOptions } from "node:http";
import { HoldfastError } from "../lib/errors.ts";
import { exchange } from "../lib/exchange.ts";
import { readAnswer } from "./answer.ts";
import { keyHeader, type Transport, type TransportCall } from "./client.ts";
import { readEvents } from "./event-reader.ts";

/** What differs from one way to a server to the other. */
export interface HttpWay {
  /** `target`: path and query. Nothing is sent before the request is ended. */
  readonly open: (target: string, options: Pick<RequestOptions, "method" | "headers" | "signal">) => ClientRequest;
  /** Headers by which the server knows the caller; asked for with each call. */
  readonly headers?: () => Record<string, string>;
  /** What an error of the connection means. */
  readonly unreachable: (error: NodeJS.ErrnoException) => HoldfastError;
}

/** A transport that speaks HTTP. */
export function httpCalls({ open, headers = () => ({}), unreachable }: HttpWay): Transport {
  return {
    events: (call) => readEvents(open(targetOf(call), { headers: { accept: "text/event-stream", ...headers() }, ...within(call) })),
    request: async (call) => {
      const { method, body, idempotencyKey, signal } = call;
      signal?.throwIfAborted();
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const all = { accept: "application/json", ...keyHeader(idempotencyKey), ...headers(), ...(payload === undefined ? {} : { "content-type": "application/json" }) };
      try {
        const { status, text } = await exchange(open(targetOf(call), { method, headers: all, ...within(call) }), payload);
        return readAnswer(status, text);
      } catch (error) {
        signal?.throwIfAborted();
        throw error instanceof HoldfastError ? error : unreachable(error as NodeJS.ErrnoException);
      }
    },
  };
}

function targetOf({ path, query }: Pick<TransportCall, "path" | "query">): string {
  const search = new URLSearchParams(query).toString();
  return search === "" ? path : `${path}?${search}`;
}

/** Node takes no `undefined` for a signal. */
function within({ signal }: Pick<TransportCall, "signal">): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
