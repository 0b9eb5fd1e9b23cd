import { z } from "zod";
import { type AgentLimits, agentLimits } from "./agent-limits.ts";
import type { RepositoryConfig } from "./config.ts";
import { asGroup, kindUnion, mapValues, readConfigForm } from "./config-form.ts";
import { readTextFile } from "./config-file.ts";
import { engines } from "./engines/index.ts";
import { nameSchema } from "./model/scalars.ts";
import { storageDrivers } from "./storage/index.ts";
import { ways } from "./storage/ways.ts";

/** What an agent of another machine may do; no word of the server's changes it. */
export interface AgentConfig extends AgentLimits {
  readonly sourceName: string;
  readonly stateDir: string;
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly instances: Readonly<Record<string, { readonly engine: string; readonly connection: Record<string, unknown> }>>;
  readonly recipients: readonly string[];
  readonly restoreTargets: readonly string[];
  readonly restoreConnections: readonly Record<string, unknown>[];
  readonly repositories: Readonly<Record<string, RepositoryConfig>>;
}

function buildSchema() {
  return z.strictObject({
    stateDir: z.string().min(1).describe("Its identity, log and scratch space. Relative paths count from this file."),
    logLevel: z.enum(["debug", "info", "warn", "error"]).default("info").describe("What the log in the state directory holds."),
    instances: z.record(nameSchema, kindUnion("engine", engines, ({ options }) => ({ connection: options }))).describe("What it serves, by the names that the server uses. The connection here is used, never the server's."),
    recipients: z.array(z.string().startsWith("age1")).min(1).describe("Exactly these age recipients; an order with another one, or without one of them, is refused."),
    restoreTargets: z.array(z.string().min(1).meta({ path: true })).default([]).describe("Directories below which restores may write; none unless told."),
    restoreConnections: z.array(z.record(z.string(), z.unknown())).default([]).describe("Servers into which a table may be loaded, written as in the order; none unless told."),
    repositories: z.record(nameSchema, kindUnion("kind", [...ways, ...storageDrivers], ({ options }) => ({ options }))).describe("The repositories, by the names that the server uses, and the way from here to each. With `gateway` this machine holds no credentials of it."),
    ...agentLimits,
  });
}

/** JSON Schema of the agent's file, for editors. */
export function agentConfigJsonSchema(): unknown {
  return z.toJSONSchema(buildSchema(), { io: "input", unrepresentable: "any" });
}

/** Reads an agent's file. CONFIG_INVALID with every fault at once, each with its line. */
export function parseAgentConfig(text: string, sourceName: string): AgentConfig {
  const { parsed, located } = readConfigForm({ text, sourceName, env: {} }, { schema: buildSchema(), stateDir: "", crossFaults: () => [] });
  // Connections and options stay as written: whoever opens them parses them with the same schema.
  const asWritten = (group: string, field: string): object => mapValues(asGroup(located[group]), (member) => ({ ...asGroup(member), [field]: asGroup(asGroup(member)[field]) }));
  return { ...(parsed as AgentConfig), sourceName, instances: asWritten("instances", "connection") as AgentConfig["instances"], repositories: asWritten("repositories", "options") as AgentConfig["repositories"] };
}

export async function loadAgentConfig(path: string): Promise<AgentConfig> {
  return parseAgentConfig(await readTextFile(path), path);
}
