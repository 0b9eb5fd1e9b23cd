import { request } from "node:http";
import { HoldfastError } from "../lib/errors.ts";
import { isNobodyThere } from "../lib/exchange.ts";
import type { Transport } from "./client.ts";
import { httpCalls } from "./http-calls.ts";

/** Speaks to a server over its Unix socket. Throws UNREACHABLE when nobody listens or the connection breaks. */
export function httpTransport(socketPath: string): Transport {
  return httpCalls({
    open: (path, options) => request({ socketPath, path, ...options }),
    unreachable: (cause) => unreachable(cause, socketPath),
  });
}

function unreachable(cause: NodeJS.ErrnoException, socketPath: string): HoldfastError {
  const { code = "", message } = cause;
  if (isNobodyThere(cause)) return new HoldfastError("UNREACHABLE", `Nobody listens on ${socketPath}.`, { cause });
  if (code === "EACCES" || code === "EPERM") {
    return new HoldfastError("UNREACHABLE", `The socket ${socketPath} may not be opened by this user.`, { cause, hint: "Run the command as the user that `holdfast up` runs as." });
  }
  return new HoldfastError("UNREACHABLE", `The connection to ${socketPath} broke: ${message}.`, { cause, hint: "Look whether `holdfast up` still runs; its log is in the state directory." });
}
