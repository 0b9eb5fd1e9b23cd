import { z } from "zod";
import { asGroup, type Fault, kindUnion, LOG_LEVELS, mapValues, type Raw, readConfigForm } from "./config-form.ts";
import type { RepositoryConfig } from "./config.ts";
import { durationSchema, sizeSchema } from "../lib/units.ts";
import { nameSchema, sha256Schema } from "../model/scalars.ts";
import { storageDrivers } from "../storage/index.ts";
import { repositoryLimits } from "../storage/limits.ts";
import { isLoopback } from "../lib/loopback.ts";

const DEFAULT_STATE_DIR = "./holdfast-gateway-state";
const DEFAULT_HOST = "127.0.0.1";
const IDLE_MS_AT_LEAST = 100;

/** What `holdfast gateway` is told. Paths are absolute. */
export interface GatewayConfig {
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls?: { readonly certificateFile: string; readonly keyFile: string } | undefined;
  readonly dangerouslyWithoutTls: boolean;
  readonly stateDir: string;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  readonly signingKeyFingerprint: string;
  readonly repositories: Readonly<Record<string, RepositoryConfig>>;
  readonly quota?: { readonly bytesPerDay: number; readonly alarmPercent: number } | undefined;
  readonly limits: { readonly objectBytes: number; readonly idle: number };
}

function buildSchema(): z.ZodType {
  return z.strictObject({
    listen: z
      .strictObject({
        host: z.string().min(1).default(DEFAULT_HOST).describe("Address to listen on; other machines reach only those that are not loopback, which need `tls`."),
        port: z.number().int().min(1).max(65_535).default(7443).describe("TCP port."),
      })
      .prefault({}),
    tls: z
      .strictObject({
        certificateFile: z.string().min(1).meta({ path: true }).describe("Certificate with its chain, PEM."),
        keyFile: z.string().min(1).meta({ path: true }).describe("Its private key, PEM; nobody else may be able to read it."),
      })
      .optional(),
    dangerouslyWithoutTls: z.boolean().default(false).describe("Listen on more than loopback without TLS, because something in front of it has TLS: whoever sees a grant on its way can use it."),
    stateDir: z.string().min(1).default(DEFAULT_STATE_DIR).describe("What a gateway remembers (gateway.json) and its log. Relative paths count from this file."),
    logLevel: z.enum(LOG_LEVELS).default("info").describe("What the log in the state directory holds; `debug` adds every read."),
    signingKeyFingerprint: sha256Schema.describe("Of the server whose grants are believed: `holdfast status` prints it."),
    repositories: z
      .record(nameSchema, kindUnion("kind", storageDrivers, (kind) => ({ options: kind.options, limits: repositoryLimits(kind) })))
      .refine((repositories) => Object.keys(repositories).length > 0, "must name at least one")
      .describe("Places that hold backups, by the names that the server's configuration gives them."),
    quota: z
      .strictObject({
        bytesPerDay: sizeSchema.describe("Most that one instance may write into one repository in a day (UTC)."),
        alarmPercent: z.number().int().min(1).max(100).default(80).describe("From this share on, the log raises an alarm."),
      })
      .optional(),
    limits: z
      .strictObject({
        objectBytes: sizeSchema.prefault("4GiB").describe("Most that one object may have. Packs have 24 MiB; indexes of many files have more."),
        idle: durationSchema
          .refine((idleMs) => idleMs >= IDLE_MS_AT_LEAST, "must be at least 100ms")
          .prefault("60s")
          .describe("Who sends or takes no byte for so long is let go."),
      })
      .prefault({}),
  });
}

/** JSON Schema of a gateway's configuration file, for editors. */
export function gatewayJsonSchema(): unknown {
  return z.toJSONSchema(buildSchema(), { io: "input", unrepresentable: "any" });
}

/** Reads a gateway's configuration. Throws CONFIG_INVALID with every fault at once, with line and field. */
export function parseGatewayConfig(text: string, sourceName: string, env: Readonly<Record<string, string | undefined>>): GatewayConfig {
  const { parsed, located } = readConfigForm({ text, sourceName, env }, { schema: buildSchema(), stateDir: DEFAULT_STATE_DIR, crossFaults: transportFaults });
  const config = parsed as GatewayConfig;
  const optionsOf = (name: string): Raw => asGroup(asGroup(asGroup(located["repositories"])[name])["options"]);
  // Options stay as they were written: whoever opens them parses them with the same schema.
  return { ...config, repositories: mapValues(config.repositories, (repository, name) => ({ ...repository, options: optionsOf(name) })) };
}

function transportFaults(raw: Raw): Fault[] {
  const { host = DEFAULT_HOST } = asGroup(raw["listen"]);
  const isWithout = raw["dangerouslyWithoutTls"] === true;
  if (raw["tls"] !== undefined) return isWithout ? [{ path: ["dangerouslyWithoutTls"], message: "contradicts `tls`; leave one of them out" }] : [];
  if (typeof host !== "string" || isLoopback(host) || isWithout) return [];
  return [{ path: ["listen", "host"], message: `${JSON.stringify(host)} is more than this machine, and there is no \`tls\`: name a certificate, listen on 127.0.0.1, or say \`dangerouslyWithoutTls: true\`` }];
}
