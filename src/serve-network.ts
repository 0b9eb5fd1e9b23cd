import { hostname } from "node:os";
import type { ControlPorts } from "./control/ports.ts";
import { parseAddress } from "./lib/address.ts";
import { HoldfastError } from "./lib/errors.ts";
import { readNamedFile } from "./lib/named-file.ts";
import { certificateFingerprint, makeCertificate } from "./lib/self-made-certificate.ts";
import { type ListenConfig, listensOpenly } from "./config/listen-config.ts";
import { buildApp } from "./server/app.ts";
import type { ServerContext } from "./server/context.ts";
import type { Implementation } from "./server/implement.ts";
import { serveAddress } from "./server/serve-address.ts";
import { tokenDoor } from "./server/token-door.ts";
import { readOrCreate } from "./state-dir.ts";

/** Long enough that nobody is surprised by its end: who trusts it trusts its fingerprint. */
const SELF_MADE_VALID_MS = 10 * 365 * 24 * 3_600_000;

export interface NetworkOptions {
  readonly listen: ListenConfig;
  /** File of the self-made certificate and its key. */
  readonly selfMadePath: string;
  readonly ports: Pick<ControlPorts, "catalog" | "clock" | "log">;
  readonly routes: readonly Implementation[];
  readonly context: ServerContext;
}

/** Serves the API on a TCP address, to callers with a token; gives the function that ends it. */
export async function serveNetwork({ listen, selfMadePath, ports, routes, context }: NetworkOptions): Promise<() => Promise<void>> {
  const address = parseAddress(listen.address);
  if (address === null) throw new HoldfastError("CONFIG_INVALID", `listen.address: ${listen.address} is not an address with a port.`);
  const credentials = await tlsOf(listen, selfMadePath, ports);
  const door = tokenDoor(ports, listen);
  const https = credentials === null ? {} : { https: { key: credentials.key, cert: credentials.certificate, minVersion: "TLSv1.2" as const } };
  const app = buildApp(routes, context, { log: ports.log, door, ...https });
  const { port, close } = await serveAddress(app, address);
  const at = { host: address.host, port };
  if (credentials !== null) ports.log.info({ ...at, certificateFingerprint: credentials.fingerprint }, "the API listens with TLS");
  else if (listensOpenly(listen)) ports.log.warn(at, "THE API LISTENS WITHOUT TLS BEYOND THIS MACHINE: everybody on the way can read and use every token");
  else ports.log.info(at, "the API listens without TLS on loopback");
  return close;
}

/** SHA-256 of the certificate that clients are to expect; null without TLS. */
export async function listenFingerprint(listen: ListenConfig, selfMadePath: string, ports: Pick<ControlPorts, "clock">): Promise<string | null> {
  return (await tlsOf(listen, selfMadePath, ports))?.fingerprint ?? null;
}

async function tlsOf(listen: ListenConfig, selfMadePath: string, { clock }: Pick<ControlPorts, "clock">): Promise<{ certificate: string; key: string; fingerprint: string } | null> {
  if (listen.withoutTls !== "never") return null;
  if (listen.tls !== undefined) {
    const certificate = await readNamedFile("listen.tls.certificate", listen.tls.certificate);
    const key = await readNamedFile("listen.tls.key", listen.tls.key);
    return { certificate, key, fingerprint: fingerprintOf(certificate, listen.tls.certificate) };
  }
  const host = parseAddress(listen.address)?.host ?? "";
  const special = ["0.0.0.0", "::", ""].includes(host) ? [] : [host];
  const names = [...new Set([...listen.names, hostname(), ...special, "localhost", "127.0.0.1", "::1"])];
  const pem = await readOrCreate(selfMadePath, () => Promise.resolve(makeCertificate({ names, nowMs: clock.nowMs(), validMs: SELF_MADE_VALID_MS })));
  return { certificate: pem, key: pem, fingerprint: fingerprintOf(pem, selfMadePath) };
}

function fingerprintOf(pem: string, path: string): string {
  try {
    return certificateFingerprint(pem);
  } catch (cause) {
    throw new HoldfastError("CONFIG_INVALID", `${path} holds no certificate in PEM: ${(cause as Error).message}.`, { cause });
  }
}
