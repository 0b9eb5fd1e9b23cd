import { GetObjectCommand, HeadObjectCommand, type PutObjectCommand } from "@aws-sdk/client-s3";
import { SignatureV4 } from "@smithy/signature-v4";
import { HoldfastError } from "../../lib/errors.ts";
import type { SignedRequest } from "../../model/grant.ts";
import type { RequestSigner } from "../storage.ts";
import type { S3Place } from "./place.ts";
import { putCommand, requireOneRequest } from "./put.ts";

/** Every store refuses a request whose signed time is further from its own than this. */
const STORE_ALLOWS_MS = 15 * 60_000;
/** What the library says about itself; no part of what is asked. */
const ABOUT_ITSELF = /^(user-agent|x-amz-user-agent|amz-sdk-.*)$/;

type Command = PutObjectCommand | GetObjectCommand | HeadObjectCommand;

/** A request as the library has built it, not yet signed. */
interface BuiltRequest {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly headers: Record<string, string>;
}

/**
 * Signs requests in their headers, not in a presigned address: there some stores leave the body's hash out of what is
 * signed, and an address stands in every proxy's log. Such a request has no expiry of its own: it is dated so that the
 * store, which believes no time that is a quarter of an hour old, refuses it from `expiresAtMs` on.
 */
export function requestSigner(place: S3Place, requireSuitable: () => Promise<void>): RequestSigner {
  const { region, credentials, sha256 } = place.client.config;
  const signer = new SignatureV4({ service: "s3", region, credentials, sha256, uriEscapePath: false });
  const signed = async (method: SignedRequest["method"], command: Command, expiresAtMs: number): Promise<SignedRequest> => {
    const { protocol, hostname, port, path, headers } = await builtRequest(place, command);
    const host = port === undefined ? hostname : `${hostname}:${String(port)}`;
    const request = { method, protocol, hostname, path, headers: { ...headers, host } };
    return { method, url: `${protocol}//${host}${path}`, headers: (await signer.sign(request, { signingDate: new Date(datedMs(expiresAtMs)) })).headers };
  };
  return {
    put: async (key, { sizeBytes, sha256: bodySha256 }, expiresAtMs) => {
      const Key = place.keyOf(key);
      requireOneRequest(place, { key, sizeBytes });
      await requireSuitable();
      return {
        transfer: await signed("PUT", putCommand(place, { key, sizeBytes, sha256: bodySha256 }), expiresAtMs),
        confirm: await signed("HEAD", new HeadObjectCommand({ Bucket: place.bucket, Key, ChecksumMode: "ENABLED" }), expiresAtMs),
      };
    },
    get: async (key, expiresAtMs) => signed("GET", new GetObjectCommand({ Bucket: place.bucket, Key: place.keyOf(key) }), expiresAtMs),
  };
}

/** Whole seconds is all that a signature knows; never a moment more than was granted. */
function datedMs(expiresAtMs: number): number {
  return Math.floor(Math.min(expiresAtMs - STORE_ALLOWS_MS, Date.now()) / 1_000) * 1_000;
}

/** What the library would send, with its own notion of where the bucket is; nothing is sent. */
async function builtRequest(place: S3Place, command: Command): Promise<BuiltRequest> {
  const built: BuiltRequest[] = [];
  const stack = command.middlewareStack as GetObjectCommand["middlewareStack"];
  stack.add(
    () => (args) => {
      built.push(args.request as BuiltRequest);
      return Promise.resolve({ response: {}, output: { $metadata: {} } });
    },
    { step: "build", priority: "low", name: "keepInsteadOfSending" },
  );
  await place.client.send(command);
  const [request] = built;
  if (request === undefined) throw new HoldfastError("INTERNAL", `No request was built for the ${place.name}.`);
  return { ...request, headers: Object.fromEntries(Object.entries(request.headers).filter(([name]) => !ABOUT_ITSELF.test(name.toLowerCase()))) };
}
