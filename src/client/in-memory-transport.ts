import { readAnswer } from "./answer.ts";
import { keyHeader, type Transport } from "./client.ts";

/** The part of the server's application that this needs: a request answered without a connection. */
export interface Injectable {
  inject(call: { method: "GET" | "POST" | "PUT" | "DELETE"; url: string; query: Record<string, string>; headers: Record<string, string>; payload?: object; signal?: AbortSignal }): PromiseLike<{
    statusCode: number;
    payload: string;
  }>;
}

/** Calls the server inside the same process, through the very code that HTTP goes through. */
export function inMemoryTransport(app: Injectable): Transport {
  return {
    request: async ({ method, path, query, body, idempotencyKey, signal }) => {
      signal?.throwIfAborted();
      try {
        const { statusCode, payload } = await app.inject({
          method: method as "GET",
          url: path,
          query,
          headers: keyHeader(idempotencyKey),
          ...(body === undefined ? {} : { payload: body as object }),
          ...(signal === undefined ? {} : { signal }),
        });
        return readAnswer(statusCode, payload);
      } catch (error) {
        signal?.throwIfAborted();
        throw error;
      }
    },
  };
}
