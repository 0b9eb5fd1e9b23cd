import { request as httpRequest } from "node:http";
import { HoldfastError } from "../lib/errors.ts";
import { exchange } from "../lib/exchange.ts";
import { readEvents } from "./event-reader.ts";
import { readAnswer } from "./answer.ts";
import { keyHeader, type Transport } from "./client.ts";

/** Errors of the socket that mean: nobody listens there. */
const NOBODY = new Set(["ENOENT", "ECONNREFUSED", "ENOTSOCK"]);

/** Speaks to a server over its Unix socket. Throws UNREACHABLE when nobody listens or the connection breaks. */
export function httpTransport(socketPath: string): Transport {
  return {
    events: ({ path, query, signal }) => readEvents(httpRequest({ socketPath, path: `${path}?${new URLSearchParams(query).toString()}`, headers: { accept: "text/event-stream" }, ...(signal === undefined ? {} : { signal }) })),
    request: async ({ method, path, query, body, idempotencyKey, signal }) => {
      signal?.throwIfAborted();
      const search = new URLSearchParams(query).toString();
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const call = httpRequest({
        socketPath,
        method,
        path: search === "" ? path : `${path}?${search}`,
        headers: { accept: "application/json", ...keyHeader(idempotencyKey), ...(payload === undefined ? {} : { "content-type": "application/json" }) },
        ...(signal === undefined ? {} : { signal }),
      });
      try {
        const { status, text } = await exchange(call, payload);
        return readAnswer(status, text);
      } catch (error) {
        signal?.throwIfAborted();
        throw asUnreachable(error, socketPath);
      }
    },
  };
}

function asUnreachable(error: unknown, socketPath: string): unknown {
  if (error instanceof HoldfastError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (NOBODY.has(code)) return new HoldfastError("UNREACHABLE", `Nobody listens on ${socketPath}.`, { cause: error });
  if (code === "EACCES" || code === "EPERM") {
    return new HoldfastError("UNREACHABLE", `The socket ${socketPath} may not be opened by this user.`, { cause: error, hint: "Run the command as the user that `holdfast up` runs as." });
  }
  return new HoldfastError("UNREACHABLE", `The connection to ${socketPath} broke: ${(error as Error).message}.`, { cause: error, hint: "Look whether `holdfast up` still runs; its log is in the state directory." });
}
