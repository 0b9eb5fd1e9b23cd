import { HoldfastError } from "../../lib/errors.ts";
import { isLoopback } from "../../lib/loopback.ts";
import type { OfferedGrant, SignedRequest } from "../../model/grant.ts";

export type Purpose = "put" | "confirm" | "get";

const METHODS = { put: "PUT", confirm: "HEAD", get: "GET" } as const;

export interface CheckedRequest {
  readonly method: (typeof METHODS)[Purpose];
  /** `https://store.example:9000` */
  readonly origin: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The request of a grant for this purpose. STORAGE_UNSUITABLE when it has none; GRANT_INVALID when it is another
 * object's, does something else, or would go over an open line to another machine although `plainHttp` does not say so.
 */
export function requestOf(grant: OfferedGrant, purpose: Purpose, { plainHttp }: { plainHttp: boolean }): CheckedRequest {
  const { key, repository, operation } = grant.body;
  const request = purpose === "confirm" ? grant.request?.confirm : grant.request?.transfer;
  if (request === undefined) {
    throw new HoldfastError("STORAGE_UNSUITABLE", `The server gave no signed request for ${key}: the repository ${repository} is of a kind that knows none.`, {
      hint: `Name another way to ${repository} in the agent's file, for example a gateway.`,
    });
  }
  const fault = operation !== (purpose === "get" ? "get" : "put") ? `the grant permits to ${operation}` : faultOf(request, { key, method: METHODS[purpose], plainHttp });
  if (fault !== null) throw new HoldfastError("GRANT_INVALID", `The signed request for ${key} is not sent: ${fault}.`, { hint: "Compare the `endpoint` and `bucket` of the repository at the server with where the store is." });
  const { origin, pathname } = new URL(request.url);
  return { method: METHODS[purpose], origin, path: pathname, headers: request.headers };
}

function faultOf({ method, url: text, headers }: SignedRequest, wanted: { key: string; method: string; plainHttp: boolean }): string | null {
  const url = URL.parse(text);
  // What is not in its plain form would be sent as something else than what was signed.
  if (url === null || text !== `${url.origin}${url.pathname}`) return "its address is not one that a server of Holdfast writes";
  if (method !== wanted.method) return `it is a ${method}, and wanted is a ${wanted.method}`;
  if (!decoded(url.pathname)?.endsWith(`/${wanted.key}`)) return "its address is another object's";
  if (headers["host"] !== url.host) return `it is signed for ${headers["host"] ?? "no host"}, and its address leads to ${url.host}`;
  if (url.protocol !== "https:" && !wanted.plainHttp && !isLoopback(url.hostname)) return `${url.origin} is without TLS and another machine; whoever sees the request on its way could use it (\`plainHttp\` of the way allows that)`;
  return null;
}

function decoded(pathname: string): string | undefined {
  try {
    return decodeURIComponent(pathname);
  } catch {
    return undefined;
  }
}
