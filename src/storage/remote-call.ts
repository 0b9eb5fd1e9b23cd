import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isCertificateFault } from "../lib/certificate-fault.ts";
import { fromErrorRecord, HoldfastError } from "../lib/errors.ts";
import { formatDuration } from "../lib/units.ts";
import { grantHeader } from "../model/gateway-protocol.ts";
import type { SignedGrant } from "../model/grant.ts";
import { errorRecordSchema } from "../model/scalars.ts";

/** Uploads do not wait for each other, so those above it may; reads do, so they are not counted. */
const UPLOADS_AT_ONCE = 64;
const ANSWER_LIMIT_BYTES = 256 * 1024;

export interface RemotePlace {
  /** `gateway https://backup.example:7443`, for messages. */
  readonly name: string;
  /** As long as this nothing may be heard when it is the gateway's turn. */
  readonly silenceMs: number;
  /** As long as this a write waits for leave to send its bytes: what stands in between may not know `Expect: 100-continue`. */
  readonly leaveMs: number;
  open(options: { method: string; path: string; headers: Record<string, string> }): ClientRequest;
  close(): void;
}

export interface RemoteOptions {
  /** `https://backup.example:7443` */
  readonly url: string;
  /** Certificates (PEM) that are believed instead of the system's. */
  readonly ca?: string | undefined;
  readonly silenceMs: number;
  readonly leaveMs: number;
}

export function remotePlace({ url, ca, silenceMs, leaveMs }: RemoteOptions): RemotePlace {
  const { protocol, hostname, port } = new URL(url);
  const isTls = protocol === "https:";
  const base = { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? (isTls ? 443 : 80) : Number(port) };
  const tls = isTls && ca !== undefined ? { ca } : {};
  const agentFor = (maxSockets: number): HttpAgent => (isTls ? new HttpsAgent({ keepAlive: true, maxSockets, ...tls }) : new HttpAgent({ keepAlive: true, maxSockets }));
  const agents = { PUT: agentFor(UPLOADS_AT_ONCE), others: agentFor(Number.POSITIVE_INFINITY) };
  return {
    name: `gateway ${url.replace(/\/$/, "")}`,
    silenceMs,
    leaveMs,
    open: (options) => (isTls ? httpsRequest : httpRequest)({ ...base, ...options, agent: options.method === "PUT" ? agents.PUT : agents.others }),
    close: () => {
      agents.PUT.destroy();
      agents.others.destroy();
    },
  };
}

export interface CallOptions {
  readonly method: "PUT" | "GET" | "POST";
  readonly path: string;
  readonly grant: SignedGrant;
  readonly headers?: Record<string, string>;
  readonly signal: AbortSignal;
}

/** One request to the gateway. Its failures are said once, by `answer`; `close` ends it and is safe to call at any time. */
export interface RemoteCall {
  readonly request: ClientRequest;
  /** Rejects with STORAGE_FAILED when the connection breaks first, STORAGE_REFUSED when the gateway's certificate is not believed. */
  readonly answer: Promise<IncomingMessage>;
  /** True as soon as the answer has begun. */
  hasAnswer(): boolean;
  /** Waits while it is the gateway's turn. STORAGE_FAILED after a long silence, the signal's reason on abort. */
  wait<T>(what: Promise<T>): Promise<T>;
  close(): void;
}

export function startCall(place: RemotePlace, { method, path, grant, headers = {}, signal }: CallOptions): RemoteCall {
  signal.throwIfAborted();
  const request = place.open({ method, path, headers: { authorization: grantHeader(grant), ...headers } });
  let hasAnswer = false;
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", (response) => {
      hasAnswer = true;
      resolve(response);
    });
    request.on("error", (error) => {
      reject(brokenConnection(place, grant, error));
    });
    // A request that ends without either is told of by nothing else.
    request.once("close", () => {
      reject(brokenConnection(place, grant, new Error("the connection was closed")));
    });
  });
  // Whoever waits for something else hears of it there.
  answer.catch(() => undefined);
  const hasSocket = new Promise<void>((resolve) => {
    request.once("socket", () => {
      resolve();
    });
  });
  return {
    request,
    answer,
    hasAnswer: () => hasAnswer,
    wait: async (what) => {
      // Uploads that wait for others of this side are not the gateway's silence.
      await whileSpoken(Promise.race([hasSocket, answer]), { place, grant, signal, silenceMs: undefined });
      return whileSpoken(what, { place, grant, signal, silenceMs: place.silenceMs });
    },
    close: () => {
      request.destroy();
    },
  };
}

function brokenConnection(place: RemotePlace, { body: { key } }: SignedGrant, cause: Error & { code?: string }): HoldfastError {
  if (isCertificateFault(cause.code)) {
    return new HoldfastError("STORAGE_REFUSED", `The certificate of the ${place.name} is not believed: ${cause.message}.`, {
      cause,
      hint: "Name the certificate of the authority that signed it in the gateway's `caFile`, and the gateway by a name that stands in its certificate.",
    });
  }
  return new HoldfastError("STORAGE_FAILED", `The connection to the ${place.name} failed for ${key}: ${cause.message}.`, { cause, hint: "Look whether the gateway runs and can be reached; its log tells what it did." });
}

interface Waiting {
  readonly place: RemotePlace;
  readonly grant: SignedGrant;
  readonly signal: AbortSignal;
  readonly silenceMs: number | undefined;
}

function whileSpoken<T>(what: Promise<T>, { place, grant, signal, silenceMs }: Waiting): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) onAbort();
    const onSilence = (limitMs: number): void => {
      reject(new HoldfastError("STORAGE_FAILED", `Nothing was heard of the ${place.name} for ${formatDuration(limitMs)}, about ${grant.body.key}.`));
    };
    const timer = silenceMs === undefined ? undefined : setTimeout(onSilence, silenceMs, silenceMs);
    signal.addEventListener("abort", onAbort, { once: true });
    void what.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    });
  });
}

/** The value of a good answer; throws the gateway's own error of a bad one. */
export async function readAnswer(place: RemotePlace, call: RemoteCall, response: IncomingMessage): Promise<unknown> {
  const status = response.statusCode ?? 0;
  const value = parseJson(await call.wait(readText(response)));
  if (status >= 200 && status < 300 && value !== undefined) return value;
  const parsed = errorRecordSchema.safeParse((value as { error?: unknown } | undefined)?.error);
  if (status >= 400 && parsed.success) throw fromErrorRecord(parsed.data);
  throw new HoldfastError("STORAGE_FAILED", `The answer of the ${place.name} cannot be read: status ${String(status)} and nothing that a gateway says.`, { hint: "Look whether it is a gateway of Holdfast that answers there, and what stands in between." });
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      sizeBytes += (chunk as Buffer).byteLength;
      if (sizeBytes > ANSWER_LIMIT_BYTES) return "";
    }
  } catch (cause) {
    throw new HoldfastError("STORAGE_FAILED", "The answer of the gateway was cut off.", { cause });
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
