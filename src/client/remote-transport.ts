import { Agent as HttpAgent, type AgentOptions, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { isCertificateFault } from "../lib/certificate-fault.ts";
import { HoldfastError } from "../lib/errors.ts";
import { exchange } from "../lib/exchange.ts";
import { plainFingerprint } from "../lib/self-made-certificate.ts";
import { readEvents } from "./event-reader.ts";
import { readAnswer } from "./answer.ts";
import { keyHeader, type Transport } from "./client.ts";

export interface RemoteServer {
  /** `https://host:port`; `http://` only where the server was told to do without TLS. */
  readonly url: string;
  /** Asked for each time, so that a new one is taken up; null without one. */
  token(): string | null;
  /** SHA-256 of the server's certificate: then it is this one, whoever signed it. Without it an authority must vouch for it. */
  readonly fingerprint?: string | undefined;
}

/** Speaks to a server over the network. Throws UNREACHABLE when nobody answers and SERVER_UNTRUSTED, before a byte is sent, when it is another. */
export function remoteTransport(server: RemoteServer): Transport {
  const base = serverUrl(server.url);
  const isTls = base.protocol === "https:";
  const keep: AgentOptions = { keepAlive: true, maxSockets: 16 };
  const agent = isTls ? (server.fingerprint === undefined ? new HttpsAgent(keep) : new PinnedAgent(keep, server.fingerprint)) : new HttpAgent(keep);
  const send = isTls ? httpsRequest : httpRequest;
  return {
    events: ({ path, query, signal }) => {
      const url = new URL(path, base);
      url.search = new URLSearchParams(query).toString();
      const token = server.token();
      const headers = { accept: "text/event-stream", ...(token === null ? {} : { authorization: `Bearer ${token}` }) };
      return readEvents(send(url, { agent, headers, ...(signal === undefined ? {} : { signal }) }));
    },
    request: async ({ method, path, query, body, idempotencyKey, signal }) => {
      signal?.throwIfAborted();
      const url = new URL(path, base);
      url.search = new URLSearchParams(query).toString();
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const token = server.token();
      const headers = {
        accept: "application/json",
        ...keyHeader(idempotencyKey),
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(payload === undefined ? {} : { "content-type": "application/json", "content-length": String(Buffer.byteLength(payload)) }),
      };
      try {
        const { status, text } = await exchange(send(url, { method, agent, headers, ...(signal === undefined ? {} : { signal }) }), payload);
        return readAnswer(status, text);
      } catch (error) {
        signal?.throwIfAborted();
        throw asUnreachable(error, base);
      }
    },
  };
}

/** USAGE unless it is the address of a server and nothing more. */
export function serverUrl(text: string): URL {
  const url = URL.parse(text);
  if (url !== null && (url.protocol === "https:" || url.protocol === "http:") && url.pathname === "/" && url.search === "" && url.username === "") return url;
  throw new HoldfastError("USAGE", `${JSON.stringify(text)} is not the address of a server; write it like https://backup.example.com:7443.`);
}

type Connected = (error: Error | null, socket: Duplex) => void;

/** Gives a connection away only after its certificate was looked at: no token is sent to another server. */
class PinnedAgent extends HttpsAgent {
  readonly #fingerprint: string;

  constructor(options: AgentOptions, fingerprint: string) {
    super(options);
    this.#fingerprint = plainFingerprint(fingerprint);
  }

  override createConnection(options: ConnectionOptions, connected?: Connected): Duplex | null | undefined {
    const socket: TLSSocket = connect({ ...options, rejectUnauthorized: false });
    let isGiven = false;
    const give = (error: Error | null): void => {
      if (isGiven) return;
      isGiven = true;
      if (error !== null) socket.destroy();
      connected?.(error, socket);
    };
    socket.once("error", give);
    socket.once("close", () => {
      give(new Error("the connection was closed"));
    });
    socket.once("secureConnect", () => {
      const seen = plainFingerprint(socket.getPeerX509Certificate()?.fingerprint256 ?? "");
      give(seen === this.#fingerprint ? null : untrusted(`its certificate has the fingerprint ${seen || "(none)"}, and ${this.#fingerprint} was expected`));
    });
    return undefined;
  }
}

function untrusted(why: string, cause?: unknown): HoldfastError {
  return new HoldfastError("SERVER_UNTRUSTED", `The server is not the one that is meant: ${why}. Nothing was sent to it.`, cause === undefined ? {} : { cause });
}

function asUnreachable(error: unknown, { host }: URL): unknown {
  if (error instanceof HoldfastError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  if (isCertificateFault(code)) return untrusted(`its certificate is not accepted (${message})`, error);
  const why = code === "ECONNREFUSED" ? "nobody listens there" : message;
  return new HoldfastError("UNREACHABLE", `The server ${host} cannot be reached: ${why}.`, { cause: error, hint: "Look whether the server runs and listens on that address, and whether the network lets you through." });
}
