import { z } from "zod";
import { asGroup, type Fault, LOG_LEVELS, type Raw, readConfigForm } from "./config-form.ts";
import { parseAddress } from "../lib/address.ts";

/** A raw Ed25519 public key in base64url: 32 bytes. */
export const SIGNING_KEY = /^[A-Za-z0-9_-]{43}$/;
const DEFAULT_STATE_DIR = "./keyholder-state";

const perMinute = z.number().int().min(1).max(10_000_000);
const file = z.string().min(1).meta({ path: true });

export const addressSchema = z.string().refine((text) => parseAddress(text) !== null, "is not an address; write host and port, for example 127.0.0.1:8444");

const schema = z.strictObject({
  stateDir: z.string().min(1).default(DEFAULT_STATE_DIR).describe("The log of releases, the mark of the clock and the process's own log. Relative paths count from this file."),
  logLevel: z.enum(LOG_LEVELS).default("info").describe("What the process's own log holds; the log of releases always holds everything."),
  identities: z.array(file).min(1).describe("Files with age identities, readable by the keyholder's user alone."),
  signingKey: z
    .string()
    .regex(SIGNING_KEY, "is not a signing key; write the 43 characters that `signingPublicKey` of the repository's holdfast.json has")
    .describe("The server's public signing key, which every grant must be signed with: `signingPublicKey` of a repository's holdfast.json, compared by its fingerprint with what `holdfast status` prints."),
  socket: z
    .strictObject({
      path: file.describe("Unix socket; at most 80 bytes. Only the keyholder's user may open it."),
      group: z.string().min(1).optional().describe("Group that may open the socket too."),
    })
    .optional()
    .describe("For a server on the same machine."),
  tls: z
    .strictObject({
      address: addressSchema.describe("Host and port to listen on."),
      certificate: file.describe("The keyholder's certificate with its chain (PEM)."),
      key: file.describe("Its private key (PEM)."),
      clientCa: file.describe("The authority that signs those who may ask (PEM). It should sign nobody else."),
    })
    .optional()
    .describe("For a server on another machine: TLS 1.3, and both sides show a certificate."),
  limits: z
    .strictObject({
      keysPerMinute: perMinute.default(12_000).describe("File keys in all."),
      attemptKeysPerMinute: perMinute.default(6_000).describe("File keys for one attempt (one restore or verification)."),
    })
    .prefault({})
    .describe("A pack takes one key (64 MiB of a backup), a piece of log two."),
});

export type KeyholderConfig = z.infer<typeof schema>;

/** JSON Schema of the keyholder's configuration file, for editors. */
export function keyholderJsonSchema(): unknown {
  return z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
}

/** Paths of Unix sockets end at 107 bytes, and the socket is made in a directory beside its place. */
export const KEYHOLDER_SOCKET_LIMIT_BYTES = 80;

/** Reads the keyholder's configuration; throws CONFIG_INVALID with every fault at once. It takes nothing from the environment. */
export function parseKeyholderConfig(text: string, sourceName: string): KeyholderConfig {
  return readConfigForm({ text, sourceName, env: {} }, { schema, stateDir: DEFAULT_STATE_DIR, crossFaults }).parsed as KeyholderConfig;
}

function crossFaults(raw: Raw): Fault[] {
  const path = asGroup(raw["socket"])["path"];
  return [
    ...(raw["socket"] === undefined && raw["tls"] === undefined ? [{ path: [], message: "neither `socket` nor `tls` is there: nobody could ask this keyholder" }] : []),
    ...(typeof path === "string" ? socketFaults(["socket", "path"], path) : []),
  ];
}

function socketFaults(path: readonly string[], value: string): Fault[] {
  const sizeBytes = Buffer.byteLength(value);
  if (sizeBytes <= KEYHOLDER_SOCKET_LIMIT_BYTES) return [];
  return [{ path, message: `${JSON.stringify(value)} has ${String(sizeBytes)} bytes; at most ${String(KEYHOLDER_SOCKET_LIMIT_BYTES)} are allowed for a Unix socket here` }];
}
