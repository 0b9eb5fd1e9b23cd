import type { IncomingMessage } from "node:http";
import { asHoldfastError, HoldfastError } from "../../lib/errors.ts";
import type { OfferedGrant } from "../../model/grant.ts";
import { checkRange } from "../keys.ts";
import { type RemoteCall, type RemotePlace, readText } from "../remote-call.ts";
import type { Asked, RemoteDialect, WantedBytes } from "../remote-dialect.ts";
import { contentRangeFrom, keptSha256, rangeHeader, SHA256_METADATA } from "./answer-headers.ts";
import { s3Error } from "./errors.ts";
import { type Purpose, requestOf } from "./presigned-request.ts";

export interface PresignedOptions {
  readonly plainHttp: boolean;
  /** Where requests for this origin go. */
  readonly placeOf: (origin: string) => RemotePlace;
}

/** What a store that speaks S3 says to requests that the server has signed. */
export function presignedDialect({ plainHttp, placeOf }: PresignedOptions): RemoteDialect {
  const asked = (grant: OfferedGrant, purpose: Purpose, more: Record<string, string> = {}): Asked => {
    const { origin, method, path, headers } = requestOf(grant, purpose, { plainHttp });
    return { place: placeOf(origin), head: { method, path, headers: { ...headers, ...more } } };
  };
  return {
    put: (grant) => asked(grant, "put"),
    requireStored: async (grant, call, response) => {
      if (response.statusCode === 412) throw new HoldfastError("OBJECT_EXISTS", `The object ${grant.body.key} exists already in ${grant.body.repository} and was left as it is.`);
      await requireStatus(grant, { call, response, expected: [200], action: "stored" });
      response.resume();
      if (response.headers.etag === undefined) throw new HoldfastError("STORAGE_FAILED", `The answer to the write of ${grant.body.key} is no store's: nothing says that it is stored.`);
    },
    confirm: (grant) => asked(grant, "confirm"),
    readConfirmed: async (grant, call, response) => {
      if (response.statusCode === 404) return false;
      await requireStatus(grant, { call, response, expected: [200], action: "looked at" });
      const { "content-length": length, "x-amz-checksum-sha256": checksum, [`x-amz-meta-${SHA256_METADATA}`]: metadata } = response.headers as Record<string, string | undefined>;
      return Number(length) === grant.body.sizeBytes && keptSha256(checksum, metadata) === grant.body.sha256;
    },
    get: (grant, { range, version }) => asked(grant, "get", { ...(range === undefined ? {} : { range: rangeHeader(range) }), ...(version === undefined ? {} : { "if-match": version }) }),
    readGiven: async (grant, call, { response, range }) => {
      const { key, sizeBytes: expectedBytes } = grant.body;
      if (response.statusCode === 412) throw new HoldfastError("OBJECT_DAMAGED", `${key} was replaced while it was read.`);
      if (response.statusCode === 416 && range !== undefined) checkRange(key, range, expectedBytes);
      await requireStatus(grant, { call, response, expected: [200, 206], action: "read" });
      return { sizeBytes: givenBytes(key, response, range), version: response.headers.etag };
    },
  };
}

/** How many bytes the body holds; throws unless they are exactly the wanted ones. */
function givenBytes(key: string, { statusCode, headers }: IncomingMessage, wanted: WantedBytes["range"]): number {
  const sizeBytes = Number(headers["content-length"] ?? Number.NaN);
  const given = statusCode === 206 ? contentRangeFrom(headers["content-range"]) : { start: 0, end: sizeBytes, totalBytes: sizeBytes };
  if (given !== null && wanted !== undefined) checkRange(key, wanted, given.totalBytes);
  const { start, end } = wanted ?? { start: 0, end: given?.totalBytes ?? Number.NaN };
  if (given?.start === start && given.end === end && sizeBytes === end - start) return sizeBytes;
  throw new HoldfastError("STORAGE_FAILED", `The answer to a read of ${key} makes no sense: status ${String(statusCode)}, length ${String(sizeBytes)}, range ${headers["content-range"] ?? "none"}.`);
}

interface Judged {
  readonly call: RemoteCall;
  readonly response: IncomingMessage;
  readonly expected: readonly number[];
  /** `stored` */
  readonly action: string;
}

async function requireStatus(grant: OfferedGrant, { call, response, expected, action }: Judged): Promise<void> {
  const status = response.statusCode ?? 0;
  if (expected.includes(status)) return;
  const text = await call.wait(readText("store", response));
  const part = (name: string): string => new RegExp(`<${name}>([^<]{1,300})</${name}>`).exec(text)?.[1] ?? "";
  const code = part("Code");
  const said = Object.assign(new Error(part("Message")), { name: code === "" ? "no reason" : code, Code: code, $metadata: { httpStatusCode: status } });
  const { key, repository } = grant.body;
  const told = asHoldfastError(s3Error(said, action, `${key} in ${repository}`));
  // The credentials and the clock that signed are the server's: what helps is another request, if anything does.
  const isUntrue = told.code === "CLOCK_WRONG" || (told.code === "STORAGE_REFUSED" && (status === 401 || status === 403 || code.includes("Token")));
  if (!isUntrue) throw told;
  throw new HoldfastError("GRANT_INVALID", `${key} in ${repository} could not be ${action}: the store does not take the signed request (${[code, status, said.message].filter((word) => word !== "").join(" ")}).`, {
    cause: told,
    hint: "Ask for a new grant. If a new one is not taken either, compare the clocks of server and store, and look what the server's credentials may do.",
  });
}
