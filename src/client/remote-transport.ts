import { Agent as HttpAgent, type AgentOptions, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import { isCertificateFault } from "../lib/certificate-fault.ts";
import { HoldfastError } from "../lib/errors.ts";
import { plainFingerprint } from "../lib/self-made-certificate.ts";
import type { Transport } from "./client.ts";
import { httpCalls } from "./http-calls.ts";

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
  return httpCalls({
    open: (target, options) => send(new URL(target, base), { agent, ...options }),
    headers: () => {
      const token = server.token();
      return token === null ? {} : { authorization: `Bearer ${token}` };
    },
    unreachable: (cause) => unreachable(cause, base),
  });
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

function unreachable(cause: NodeJS.ErrnoException, { host }: URL): HoldfastError {
  const { code = "", message } = cause;
  if (isCertificateFault(code)) return untrusted(`its certificate is not accepted (${message})`, cause);
  const why = code === "ECONNREFUSED" ? "nobody listens there" : message;
  return new HoldfastError("UNREACHABLE", `The server ${host} cannot be reached: ${why}.`, { cause, hint: "Look whether the server runs and listens on that address, and whether the network lets you through." });
}
