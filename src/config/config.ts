import { Cron } from "croner";
import { z } from "zod";
import { type AgentLimits, agentLimits } from "./agent-limits.ts";
import { asGroup, type Fault, kindUnion, LOG_LEVELS, mapValues, type Raw, readConfigForm, referenceFaults, walk } from "./config-form.ts";
import { engines } from "../engines/index.ts";
import { type HooksConfig, hooksSchema, policyHookFaults } from "./hook-config.ts";
import { addressSchema } from "./keyholder-config.ts";
import { parseRecipient, parseRecipients } from "../keys/recipients.ts";
import type { KeyholderPlace } from "../keys/remote-keyholder.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { schemasAt } from "../lib/schema-faults.ts";
import { durationSchema } from "../lib/units.ts";
import { type ListenConfig, listenSchema, listensOpenly } from "./listen-config.ts";
import { type InstanceSpec, instanceSpecSchema } from "../model/instance.ts";
import { type Policy, policySchema } from "../model/policy.ts";
import { nameSchema } from "../model/scalars.ts";
import { type GatewayPlace, gatewayPlaceSchema } from "../storage/gateway-place.ts";
import { storageDrivers } from "../storage/index.ts";
import { repositoryLimits, type RepositoryLimits } from "../storage/limits.ts";

/** Unix sockets lie below the state directory, and their paths end at 107 bytes. */
export const STATE_DIR_LIMIT_BYTES = 64;
const LEASE_AT_LEAST_MS = 2_000;
/** When an agent was last seen is known to the minute. */
const SILENT_AT_LEAST_MS = 2 * 60_000;
/** What stands in a recovered configuration where a secret was. */
export const NOT_KEPT = "(not kept: put it here)";
const DEFAULT_STATE_DIR = "./holdfast-state";

export interface RepositoryConfig {
  readonly kind: string;
  /** As written, paths made absolute; the driver's own schema has accepted it. */
  readonly options: Record<string, unknown>;
  readonly limits?: RepositoryLimits | undefined;
}

export interface Config {
  /** Where the text came from, for messages. */
  readonly sourceName: string;
  readonly stateDir: string;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** Where the API listens besides its socket; nowhere unless told. */
  readonly listen?: ListenConfig | undefined;
  readonly keys: { readonly recipients: readonly string[]; readonly recipientsSigned?: string | undefined; readonly identities: readonly string[] };
  /** Where the identities are, when they are in a process of their own; `keys.identities` is empty then. */
  readonly keyholder?: KeyholderPlace | undefined;
  readonly repositories: Readonly<Record<string, RepositoryConfig>>;
  readonly policies: Readonly<Record<string, Policy>>;
  /** `connection` as written, paths made absolute; the engine's own schema has accepted it. */
  readonly instances: Readonly<Record<string, InstanceSpec>>;
  /** The whole of it as it was written, paths made absolute, with NOT_KEPT in the place of each secret. */
  readonly withoutSecrets: Readonly<Record<string, unknown>>;
  /** What this machine runs before and after backups; agents of other machines have their own. */
  readonly hooks: HooksConfig;
  /** Agents of other machines. */
  readonly agents: { readonly leaseFor?: number | undefined; readonly silentAfter: number };
  readonly agent: { readonly name?: string | undefined; readonly gateway?: GatewayPlace | undefined } & AgentLimits;
}

const file = z.string().min(1).meta({ path: true });

function buildSchema(): z.ZodType {
  return z.strictObject({
    stateDir: z.string().min(1).default(DEFAULT_STATE_DIR).describe("Catalog, keys, scratch space and socket. Relative paths count from this file."),
    logLevel: z.enum(LOG_LEVELS).default("info").describe("What the log in the state directory holds."),
    keys: z.strictObject({
      recipients: z.array(z.string()).min(1).describe("age recipients of every backup: at least a daily one and an offline escrow."),
      recipientsSigned: file.optional().describe("A list of exactly these recipients with the signature of the organisation's key (`holdfast key sign-recipients`), for agents that pin that key."),
      identities: z.array(z.string().meta({ path: true })).default([]).describe("Files with age identities for the keyholder inside `up`; needed to restore and to verify."),
    }),
    keyholder: z
      .strictObject({
        socket: file.optional().describe("Its Unix socket, on this machine."),
        address: addressSchema.optional().describe("Its host and port, on another machine."),
        certificate: file.optional().describe("With `address`: this server's certificate (PEM), which the keyholder asks for."),
        key: file.optional().describe("With `address`: the certificate's private key (PEM)."),
        ca: file.optional().describe("With `address`: the authority that signed the keyholder's certificate (PEM)."),
      })
      .optional()
      .describe("The `holdfast keyholder` that holds the identities in the place of `keys.identities`: then this process has none."),
    repositories: z.record(nameSchema, kindUnion("kind", storageDrivers, (kind) => ({ options: kind.options, limits: repositoryLimits(kind) }))).default({}).describe("Places that hold backups."),
    policies: z.record(nameSchema, policySchema).default({}).describe("What is done when; one policy serves many instances."),
    instances: z
      .record(nameSchema, kindUnion("engine", engines, ({ options }) => ({ ...instanceSpecSchema.omit({ engine: true }).shape, connection: options })))
      .default({})
      .describe("What is backed up."),
    hooks: hooksSchema,
    agent: z
      .strictObject({
        name: nameSchema.optional().describe("How attempts call the agent; the host's name unless told."),
        ...agentLimits,
        gateway: gatewayPlaceSchema.optional().describe("The `holdfast gateway` through which every object of every repository goes."),
      })
      .prefault({}),
    agents: z
      .strictObject({
        leaseFor: durationSchema
          .refine((durationMs) => durationMs >= LEASE_AT_LEAST_MS, "must be at least 2s")
          .optional()
          .describe("How long an agent may be out of reach before its work is given to another; as long works on what it began while the server is away. 15m for `holdfast server`, 1m for `holdfast up` unless told."),
        silentAfter: durationSchema
          .refine((durationMs) => durationMs >= SILENT_AT_LEAST_MS, "must be at least 2m")
          .prefault("10m")
          .describe("An agent that has not called for longer opens a finding."),
      })
      .prefault({})
      .describe("Agents of other machines."),
    listen: listenSchema.optional().describe("Serves the API to the network, for other machines' command lines; read at the start."),
  });
}

/** JSON Schema of the configuration file, for editors. */
export function configJsonSchema(): unknown {
  return z.toJSONSchema(buildSchema(), { io: "input", unrepresentable: "any" });
}

/** What the schema gives, with the parts that stay as written. */
type Parsed = Omit<Config, "sourceName" | "withoutSecrets">;

/**
 * Reads a configuration. Throws CONFIG_INVALID with every fault at once, each as `<file>:<line>: <field>: <what is wrong>`.
 * `sourceName` is the file's path: relative paths count from its folder.
 */
export function parseConfig(text: string, sourceName: string, env: Readonly<Record<string, string | undefined>>): Config {
  const { parsed, located } = readConfigForm({ text, sourceName, env }, { schema: buildSchema(), stateDir: DEFAULT_STATE_DIR, crossFaults });
  return assemble(parsed as Parsed, located, sourceName);
}

/** Keeps connections and options as they were written: whoever opens them parses them with the same schema. */
function assemble(parsed: Parsed, raw: Raw, sourceName: string): Config {
  const rawOf = (group: string, name: string, field: string): Raw => asGroup(asGroup(asGroup(raw[group])[name])[field]);
  const repositories = mapValues(parsed.repositories, (repository, name) => ({ ...repository, options: rawOf("repositories", name, "options") }));
  const instances = mapValues(parsed.instances, (instance, name) => ({ ...instance, connection: rawOf("instances", name, "connection") }));
  return { ...parsed, sourceName, repositories, instances, withoutSecrets: withoutSecrets(raw) };
}

function crossFaults(raw: Raw): Fault[] {
  const policies = Object.entries(asGroup(raw["policies"]));
  const instances = Object.entries(asGroup(raw["instances"]));
  return [
    ...stateDirFaults(raw["stateDir"]),
    ...listenFaults(asGroup(raw["listen"])),
    ...keyholderFaults(raw),
    ...recipientFaults(["keys", "recipients"], asGroup(raw["keys"])["recipients"]),
    ...policyHookFaults(raw),
    ...policies.flatMap(([name, policy]) => policyFaults(["policies", name], asGroup(policy), asGroup(raw["repositories"]))),
    ...instances.flatMap(([name, instance]) => referenceFaults(["instances", name, "policy"], asGroup(instance)["policy"], { noun: "policy", known: policies.map(([policy]) => policy) })),
  ];
}

const TLS_FILES = ["certificate", "key", "ca"] as const;

function keyholderFaults(raw: Raw): Fault[] {
  if (raw["keyholder"] === undefined) return [];
  const keyholder = asGroup(raw["keyholder"]);
  const identities = asGroup(raw["keys"])["identities"];
  const faults: Fault[] = [];
  const [hasSocket, hasAddress] = [keyholder["socket"] !== undefined, keyholder["address"] !== undefined];
  if (hasSocket === hasAddress) faults.push({ path: ["keyholder"], message: hasSocket ? "`socket` and `address` are both there; a keyholder is reached by one of them" : "needs `socket` or `address`" });
  for (const field of TLS_FILES) {
    if (hasAddress && keyholder[field] === undefined) faults.push({ path: ["keyholder", field], message: "is missing: a keyholder at an address is asked by mutual TLS" });
    if (!hasAddress && keyholder[field] !== undefined) faults.push({ path: ["keyholder", field], message: "belongs to `address`; a socket has no certificates" });
  }
  if (Array.isArray(identities) && identities.length > 0) faults.push({ path: ["keys", "identities"], message: "must be empty: the identities are in the keyholder that `keyholder` names" });
  return faults;
}

function stateDirFaults(stateDir: unknown): Fault[] {
  if (typeof stateDir !== "string" || Buffer.byteLength(stateDir) <= STATE_DIR_LIMIT_BYTES) return [];
  const sizeBytes = Buffer.byteLength(stateDir);
  const message = `${JSON.stringify(stateDir)} has ${String(sizeBytes)} bytes; at most ${String(STATE_DIR_LIMIT_BYTES)} are allowed, because Unix sockets lie below it`;
  return [{ path: ["stateDir"], message }];
}

function listenFaults({ address, withoutTls }: Raw): Fault[] {
  if (typeof address !== "string" || withoutTls !== "on-loopback" || !listensOpenly({ address, withoutTls })) return [];
  return [{ path: ["listen", "withoutTls"], message: `${JSON.stringify(address)} is not on loopback: leave \`withoutTls\` out, or write \`even-beyond-loopback\` when something in front of it does TLS` }];
}

function policyFaults(path: readonly string[], policy: Raw, repositories: Raw): Fault[] {
  return [
    ...scheduleFaults([...path, "full"], policy["full"]),
    ...scheduleFaults([...path, "incremental"], policy["incremental"]),
    ...scheduleFaults([...path, "verification", "schedule"], asGroup(policy["verification"])["schedule"]),
    ...recipientFaults([...path, "recipients"], policy["recipients"]),
    ...referenceFaults([...path, "repository"], policy["repository"], { noun: "repository", known: Object.keys(repositories) }),
    ...lockFaults([...path, "lockFor"], policy, repositories),
  ];
}

function lockFaults(path: readonly string[], policy: Raw, repositories: Raw): Fault[] {
  const name = policy["repository"];
  if (policy["lockFor"] === undefined || typeof name !== "string" || !(name in repositories)) return [];
  if (asGroup(asGroup(repositories[name])["options"])["lock"] !== undefined) return [];
  return [{ path, message: `the repository ${JSON.stringify(name)} has no \`lock\`: nothing would be locked` }];
}

function scheduleFaults(path: readonly string[], schedule: unknown): Fault[] {
  const { cron } = asGroup(schedule);
  if (typeof cron !== "string" || cron === "") return [];
  try {
    if (new Cron(cron, { paused: true }).nextRun() !== null) return [];
    return [{ path: [...path, "cron"], message: `${JSON.stringify(cron)} never comes due` }];
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^Cron\w*: /, "") : String(error);
    return [{ path: [...path, "cron"], message: `${JSON.stringify(cron)} is not a cron expression (${why}); write five or six fields, for example '0 2 * * 0'` }];
  }
}

function recipientFaults(path: readonly string[], recipients: unknown): Fault[] {
  if (!Array.isArray(recipients)) return [];
  const texts = recipients.map((recipient: unknown) => (typeof recipient === "string" ? recipient : null));
  const single = texts.flatMap((text, number) => (text === null ? [] : refusal([...path, String(number)], () => parseRecipient(text))));
  const whole = single.length === 0 && texts.length > 0 ? refusal(path, () => parseRecipients(texts.filter((text) => text !== null))) : [];
  return [...single, ...whole];
}

function refusal(path: readonly string[], check: () => unknown): Fault[] {
  try {
    check();
    return [];
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    return [{ path, message: error.message }];
  }
}

/** Secrets never leave the machine they were written on: a person puts them back. */
function withoutSecrets(raw: Raw): Raw {
  const schema = buildSchema();
  return walk(raw, [], (value, path) => (schemasAt(schema, path).some((at) => at.meta()?.["secret"] === true) ? NOT_KEPT : value)) as Raw;
}
