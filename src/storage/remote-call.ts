import { Agent as HttpAgent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isCertificateFault } from "../lib/certificate-fault.ts";
import { HoldfastError } from "../lib/errors.ts";
import { formatDuration } from "../lib/units.ts";

/** Uploads do not wait for each other, so those above it may; reads do, so they are not counted. */
const UPLOADS_AT_ONCE = 64;
const ANSWER_LIMIT_BYTES = 256 * 1024;

export interface RemotePlace {
  /** `gateway https://backup.example:7443`, for messages. */
  readonly name: string;
  /** What helps when it cannot be reached, and when its certificate is not believed. */
  readonly advice: { readonly connection: string; readonly certificate: string };
  /** As long as this nothing may be heard when it is the other side's turn. */
  readonly silenceMs: number;
  /** As long as this a write waits for leave to send its bytes: what stands in between may not know `Expect: 100-continue`. */
  readonly leaveMs: number;
  open(options: { method: string; path: string; headers: Record<string, string> }): ClientRequest;
  close(): void;
}

export interface RemoteOptions extends Pick<RemotePlace, "name" | "advice" | "silenceMs" | "leaveMs"> {
  /** `https://backup.example:7443` */
  readonly url: string;
  /** Certificates (PEM) that are believed instead of the system's. */
  readonly ca?: string | undefined;
}

export function remotePlace({ url, ca, ...spoken }: RemoteOptions): RemotePlace {
  const { protocol, hostname, port } = new URL(url);
  const isTls = protocol === "https:";
  const base = { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? (isTls ? 443 : 80) : Number(port) };
  const tls = isTls && ca !== undefined ? { ca } : {};
  const agentFor = (maxSockets: number): HttpAgent => (isTls ? new HttpsAgent({ keepAlive: true, maxSockets, ...tls }) : new HttpAgent({ keepAlive: true, maxSockets }));
  const agents = { PUT: agentFor(UPLOADS_AT_ONCE), others: agentFor(Number.POSITIVE_INFINITY) };
  return {
    ...spoken,
    open: (options) => (isTls ? httpsRequest : httpRequest)({ ...base, ...options, agent: options.method === "PUT" ? agents.PUT : agents.others }),
    close: () => {
      agents.PUT.destroy();
      agents.others.destroy();
    },
  };
}

/** What a request says before its body. */
export interface CallHead {
  readonly method: "PUT" | "GET" | "HEAD" | "POST";
  readonly path: string;
  readonly headers: Record<string, string>;
}

export interface CallOptions extends CallHead {
  /** Of the object that it is about, for messages. */
  readonly key: string;
  readonly signal: AbortSignal;
}

/** One request to a place. Its failures are said once, by `answer`; `close` ends it and is safe to call at any time. */
export interface RemoteCall {
  readonly request: ClientRequest;
  /** Rejects with STORAGE_FAILED when the connection breaks first, STORAGE_REFUSED when the place's certificate is not believed. */
  readonly answer: Promise<IncomingMessage>;
  /** True as soon as the answer has begun. */
  hasAnswer(): boolean;
  /** Waits while it is the other side's turn. STORAGE_FAILED after a long silence, the signal's reason on abort. */
  wait<T>(what: Promise<T>): Promise<T>;
  close(): void;
}

export function startCall(place: RemotePlace, { method, path, key, headers, signal }: CallOptions): RemoteCall {
  signal.throwIfAborted();
  const request = place.open({ method, path, headers });
  let hasAnswer = false;
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.once("response", (response) => {
      hasAnswer = true;
      resolve(response);
    });
    request.on("error", (error) => {
      reject(brokenConnection(place, key, error));
    });
    // A request that ends without either is told of by nothing else.
    request.once("close", () => {
      reject(brokenConnection(place, key, new Error("the connection was closed")));
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
      // Uploads that wait for others of this side are not the other side's silence.
      await whileSpoken(Promise.race([hasSocket, answer]), { place, key, signal, silenceMs: undefined });
      return whileSpoken(what, { place, key, signal, silenceMs: place.silenceMs });
    },
    close: () => {
      request.destroy();
    },
  };
}

function brokenConnection(place: RemotePlace, key: string, cause: Error & { code?: string }): HoldfastError {
  if (isCertificateFault(cause.code)) {
    return new HoldfastError("STORAGE_REFUSED", `The certificate of the ${place.name} is not believed: ${cause.message}.`, { cause, hint: place.advice.certificate });
  }
  return new HoldfastError("STORAGE_FAILED", `The connection to the ${place.name} failed for ${key}: ${cause.message}.`, { cause, hint: place.advice.connection });
}

interface Waiting {
  readonly place: RemotePlace;
  readonly key: string;
  readonly signal: AbortSignal;
  readonly silenceMs: number | undefined;
}

function whileSpoken<T>(what: Promise<T>, { place, key, signal, silenceMs }: Waiting): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) onAbort();
    const onSilence = (limitMs: number): void => {
      reject(new HoldfastError("STORAGE_FAILED", `Nothing was heard of the ${place.name} for ${formatDuration(limitMs)}, about ${key}.`));
    };
    const timer = silenceMs === undefined ? undefined : setTimeout(onSilence, silenceMs, silenceMs);
    signal.addEventListener("abort", onAbort, { once: true });
    void what.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    });
  });
}

/** What an answer of the place called `name` says, as text; nothing when it is longer than anything that is said. STORAGE_FAILED when it is cut off. */
export async function readText(name: string, response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      sizeBytes += (chunk as Buffer).byteLength;
      if (sizeBytes > ANSWER_LIMIT_BYTES) return "";
    }
  } catch (cause) {
    throw new HoldfastError("STORAGE_FAILED", `The answer of the ${name} was cut off.`, { cause });
  }
  return Buffer.concat(chunks).toString("utf8");
}
