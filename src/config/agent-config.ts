import { z } from "zod";
import { type AgentLimits, agentLimits } from "./agent-limits.ts";
import type { RepositoryConfig } from "./config.ts";
import { asGroup, type Fault, kindUnion, mapValues, type Raw, readConfigForm } from "./config-form.ts";
import { readTextFile } from "./config-file.ts";
import { engines } from "../engines/index.ts";
import { type HooksConfig, hooksSchema } from "./hook-config.ts";
import { SIGNING_KEY } from "./keyholder-config.ts";
import { nameSchema } from "../model/scalars.ts";
import { storageDrivers } from "../storage/index.ts";
import { repositoryLimits } from "../storage/limits.ts";
import { ways } from "../storage/ways.ts";

/** What an agent of another machine may do; no word of the server's changes it. */
export interface AgentConfig extends AgentLimits {
  readonly sourceName: string;
  readonly stateDir: string;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly instances: Readonly<Record<string, { readonly engine: string; readonly connection?: Record<string, unknown> | undefined }>>;
  /** To whom orders may seal: exactly these, or exactly whom the organisation's key has signed. One of the two is there. */
  readonly recipients?: readonly string[] | undefined;
  readonly organisationKey?: string | undefined;
  readonly restoreTargets: readonly string[];
  readonly restoreConnections: readonly Record<string, unknown>[];
  readonly hooks: HooksConfig;
  readonly repositories: Readonly<Record<string, RepositoryConfig>>;
}

function buildSchema() {
  return z.strictObject({
    stateDir: z.string().min(1).describe("Its identity, log and scratch space. Relative paths count from this file."),
    logLevel: z.enum(["debug", "info", "warn", "error"]).default("info").describe("What the log in the state directory holds."),
    instances: z.record(nameSchema, kindUnion("engine", engines, ({ options }) => ({ connection: options.optional() }))).describe("What it serves, by the names that the server uses. The connection here is used, never the server's; without one this machine restores, verifies and reseals, and reaches no server."),
    recipients: z.array(z.string().startsWith("age1")).min(1).optional().describe("Exactly these age recipients; an order with another one, or without one of them, is refused."),
    organisationKey: z
      .string()
      .regex(SIGNING_KEY, "is not a public key; write the 43 characters that `holdfast key organisation` printed")
      .optional()
      .describe("In the place of `recipients`: the organisation's public key. An order must carry a list of its recipients that this key has signed, no older than the newest seen here."),
    restoreTargets: z.array(z.string().min(1).meta({ path: true })).default([]).describe("Directories below which restores may write; none unless told."),
    restoreConnections: z.array(z.record(z.string(), z.unknown())).default([]).describe("Servers into which a table may be loaded, written as in the order; none unless told."),
    hooks: hooksSchema,
    repositories: z.record(nameSchema, kindUnion("kind", [...ways, ...storageDrivers], (kind) => ({ options: kind.options, limits: repositoryLimits(kind) }))).describe("The repositories, by the names that the server uses, and the way from here to each. With `gateway` and `presigned` this machine holds no credentials of it."),
    ...agentLimits,
  });
}

/** JSON Schema of the agent's file, for editors. */
export function agentConfigJsonSchema(): unknown {
  return z.toJSONSchema(buildSchema(), { io: "input", unrepresentable: "any" });
}

/** Reads an agent's file. CONFIG_INVALID with every fault at once, each with its line. */
export function parseAgentConfig(text: string, sourceName: string): AgentConfig {
  const { parsed, located } = readConfigForm({ text, sourceName, env: {} }, { schema: buildSchema(), stateDir: "", crossFaults });
  // Connections and options stay as written: whoever opens them parses them with the same schema.
  const config = parsed as AgentConfig;
  const written = (group: string, name: string, field: string): Raw | undefined => asGroup(asGroup(located[group])[name])[field] as Raw | undefined;
  const instances = mapValues(config.instances, (instance, name) => ({ ...instance, connection: written("instances", name, "connection") }));
  const repositories = mapValues(config.repositories, (repository, name) => ({ ...repository, options: written("repositories", name, "options") ?? {} }));
  return { ...config, sourceName, instances, repositories };
}

function crossFaults(raw: Raw): Fault[] {
  const [hasList, hasKey] = [raw["recipients"] !== undefined, raw["organisationKey"] !== undefined];
  if (hasList !== hasKey) return [];
  return [hasKey ? { path: ["organisationKey"], message: "`recipients` is there too; exactly one of both says to whom orders may seal" } : { path: [], message: "neither `recipients` nor `organisationKey` is there: nothing would say to whom orders may seal" }];
}

export async function loadAgentConfig(path: string): Promise<AgentConfig> {
  return parseAgentConfig(await readTextFile(path), path);
}
