import { stat } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { Closers } from "./closers.ts";
import type { GatewayConfig } from "./config/gateway-config.ts";
import type { Clock } from "./lib/clock.ts";
import { delay } from "./lib/clock.ts";
import { HoldfastError } from "./lib/errors.ts";
import type { Log } from "./lib/log.ts";
import { isLoopback } from "./lib/loopback.ts";
import { readNamedFile } from "./lib/named-file.ts";
import { buildGateway, type TlsFiles } from "./server/gateway/gateway-app.ts";
import { openMemory } from "./server/gateway/memory.ts";
import { serveRepositories } from "./server/gateway/served-repositories.ts";
import { openStorages } from "./storages.ts";

/** What runs when the gateway is to stop may end by itself for so long. */
const STOP_GRACE_MS = 10_000;
/** For those who are told then. */
const ANSWER_GRACE_MS = 2_000;

export interface Gateway {
  readonly url: string;
  /** Takes no more, lets what runs end for a while, and keeps what must be remembered. */
  stop(): Promise<void>;
}

export interface GatewayStart {
  readonly config: GatewayConfig;
  readonly log: Log;
  readonly clock: Clock;
}

export function gatewayLogPath(config: GatewayConfig): string {
  return join(config.stateDir, "gateway.log");
}

/** Starts a repository gateway. It needs its repositories and one fingerprint, never the catalog. */
export async function startGateway({ config, log, clock }: GatewayStart): Promise<Gateway> {
  const closers = new Closers(log);
  try {
    const tls = await readTls(config);
    const memory = await openMemory({ stateDir: config.stateDir, quota: config.quota, clock, log });
    closers.add("memory", () => memory.close());
    const served = serveRepositories({ repositories: openStorages(config, { log, clock }), signingKeyFingerprint: config.signingKeyFingerprint, clock: memory.time, log });
    await served.look();
    const closing = new AbortController();
    const app = buildGateway({ served, memory, limits: config.limits, log, closing: closing.signal }, tls);
    closers.add("application", () => closeInTime(app, closing));
    const { host, port } = config.listen;
    await app.listen({ host, port }).catch((cause: unknown) => {
      throw new HoldfastError("CONFIG_INVALID", `The gateway cannot listen on ${host}, port ${String(port)}: ${(cause as Error).message}.`, { cause, hint: "Give `listen` an address of this machine and a port that is free." });
    });
    const url = `${tls === undefined ? "http" : "https"}://${isIPv6(host) ? `[${host}]` : host}:${String(port)}`;
    if (tls === undefined && !isLoopback(host)) log.error({ url }, "WITHOUT TLS on more than loopback: whoever sees a grant on its way can use it until it expires");
    log.info({ url, repositories: Object.keys(config.repositories), signingKey: config.signingKeyFingerprint }, "the gateway listens");
    return { url, stop: () => closers.closeAll() };
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

async function closeInTime(app: ReturnType<typeof buildGateway>, closing: AbortController): Promise<void> {
  const closed = new AbortController();
  const inTime = async (): Promise<void> => {
    await delay(STOP_GRACE_MS, closed.signal);
    closing.abort(new HoldfastError("STORAGE_FAILED", "The gateway stops.", { hint: "Try again when it runs." }));
    await delay(ANSWER_GRACE_MS, closed.signal);
    app.server.closeAllConnections();
  };
  const limit = inTime().catch(() => undefined);
  await app.close();
  closed.abort(new Error("closed"));
  await limit;
}

async function readTls({ tls }: GatewayConfig): Promise<TlsFiles | undefined> {
  if (tls === undefined) return undefined;
  await requirePrivate(tls.keyFile);
  const [certificate, key] = await Promise.all([readNamedFile("tls.certificateFile", tls.certificateFile), readNamedFile("tls.keyFile", tls.keyFile)]);
  try {
    createSecureContext({ cert: certificate, key });
  } catch (cause) {
    throw new HoldfastError("CONFIG_INVALID", `${tls.certificateFile} and ${tls.keyFile} are not a certificate and its key: ${(cause as Error).message}.`, { cause, hint: "Give both as PEM; the key must be without a passphrase." });
  }
  return { certificate, key };
}

/** A group may read it: that is how machines keep such keys for their services. */
async function requirePrivate(path: string): Promise<void> {
  const found = await stat(path).catch(() => null);
  if (found === null || (found.mode & 0o007) === 0) return;
  throw new HoldfastError("CONFIG_INVALID", `tls.keyFile: ${path} can be read or written by everybody on this machine.`, { hint: `chmod o= ${path}` });
}
