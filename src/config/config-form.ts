import { dirname, isAbsolute, resolve } from "node:path";
import { z } from "zod";
import { type ConfigSource, readConfigSource } from "./config-source.ts";
import { HoldfastError } from "../lib/errors.ts";
import { closestName, schemaFaults, schemasAt } from "../lib/schema-faults.ts";
import { HOOK_VARIABLES } from "../model/hook.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

/** One environment variable per scalar; any other HOLDFAST_ name is a mistake. HOLDFAST_CONFIG and HOLDFAST_PROFILE are read by the command line. */
const ENVIRONMENT: Readonly<Record<string, string | null>> = {
  HOLDFAST_CONFIG: null,
  HOLDFAST_PROFILE: null,
  HOLDFAST_STATE_DIR: "stateDir",
  HOLDFAST_LOG_LEVEL: "logLevel",
};

export interface Fault {
  readonly path: readonly string[];
  readonly message: string;
}

export type Raw = Record<string, unknown>;

/** A kind of configuration file. */
export interface ConfigForm {
  readonly schema: z.ZodType;
  /** Where the state lies when the file does not say. */
  readonly stateDir: string;
  /** What no schema can say: references, and fields that must fit each other. Gets whatever is there. */
  readonly crossFaults: (raw: Raw) => Fault[];
}

export interface ConfigText {
  readonly text: string;
  /** The file's path: relative paths in it count from its folder. */
  readonly sourceName: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads a configuration file. Throws CONFIG_INVALID with every fault at once, each as `<file>:<line>: <field>: <what is
 * wrong>`. Gives what the schema made of it, and the same as it was written, paths made absolute.
 */
export function readConfigForm({ text, sourceName, env }: ConfigText, form: ConfigForm): { parsed: unknown; located: Raw } {
  const source = readConfigSource(text);
  const overridden = overrides(env);
  const raw = isGroup(source.value) ? { ...source.value, ...overridden.values } : source.value;
  const lines = new FaultList(source, sourceName, overridden.variables);
  for (const message of overridden.faults) lines.addText(`environment: ${message}`, 0);
  for (const { line, message } of source.syntaxFaults) lines.addText(`${sourceName}:${String(line)}: ${message}`, line);
  lines.throwIfAny(source.syntaxFaults.length > 0);

  const located = isGroup(raw) ? withAbsolutePaths(raw, form, dirname(resolve(sourceName))) : raw;
  const parsed = form.schema.safeParse(located);
  if (!parsed.success) for (const { path, message } of schemaFaults(parsed.error, form.schema, located)) lines.add({ path, message });
  // Cross-references are checked on whatever is there, so that one run shows them beside the other faults.
  for (const fault of form.crossFaults(isGroup(located) ? located : {})) lines.add(fault);
  lines.throwIfAny(true);
  return { parsed: parsed.data, located: located as Raw };
}

interface Kind {
  readonly kind: string;
  readonly title: string;
  readonly options: z.ZodType;
  readonly sendsRequests?: boolean;
}

/** One schema for all kinds of a thing, told apart by `field`. */
export function kindUnion(field: "kind" | "engine", kinds: readonly Kind[], shapeOf: (kind: Kind) => z.ZodRawShape): z.ZodType {
  const [first, ...others] = kinds.map((kind) => z.strictObject({ [field]: z.literal(kind.kind).describe(kind.title), ...shapeOf(kind) }));
  return first === undefined ? z.never() : z.discriminatedUnion(field, [first, ...others]);
}

function overrides(env: Readonly<Record<string, string | undefined>>): { values: Raw; variables: Map<string, string>; faults: string[] } {
  const result = { values: {} as Raw, variables: new Map<string, string>(), faults: [] as string[] };
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith("HOLDFAST_") || value === undefined) continue;
    // A hook may call the command line.
    if ((HOOK_VARIABLES as readonly string[]).includes(name)) continue;
    const field = ENVIRONMENT[name];
    if (field === undefined) {
      const closest = closestName(name, Object.keys(ENVIRONMENT));
      result.faults.push(`${name} is not a known variable; ${closest === null ? `known: ${Object.keys(ENVIRONMENT).join(", ")}` : `did you mean ${closest}?`}`);
    } else if (field !== null) {
      result.values[field] = value;
      result.variables.set(field, name);
    }
  }
  return result;
}

class FaultList {
  readonly #source: ConfigSource;
  readonly #sourceName: string;
  readonly #variables: ReadonlyMap<string, string>;
  readonly #faults: { line: number; text: string }[] = [];

  constructor(source: ConfigSource, sourceName: string, variables: ReadonlyMap<string, string>) {
    this.#source = source;
    this.#sourceName = sourceName;
    this.#variables = variables;
  }

  add({ path, message }: Fault): void {
    const variable = path.length === 1 ? this.#variables.get(path[0] ?? "") : undefined;
    if (variable !== undefined) {
      this.addText(`environment: ${variable}: ${message}`, 0);
      return;
    }
    const line = this.#source.lineOf(path);
    const field = path.length === 0 ? "" : `${path.join(".")}: `;
    this.addText(`${this.#sourceName}:${String(line)}: ${field}${message}`, line);
  }

  addText(text: string, line: number): void {
    this.#faults.push({ line, text });
  }

  throwIfAny(now: boolean): void {
    if (!now || this.#faults.length === 0) return;
    const faults = [...new Set(this.#faults.sort((a, b) => a.line - b.line).map(({ text }) => text))];
    throw new HoldfastError("CONFIG_INVALID", faults.join("\n"), { details: { faults } });
  }
}

/** A name that stands for nothing, with the one that was most likely meant. */
export function referenceFaults(path: readonly string[], name: unknown, { noun, known }: { noun: string; known: readonly string[] }): Fault[] {
  if (typeof name !== "string" || known.includes(name)) return [];
  const closest = closestName(name, known);
  const advice = known.length === 0 ? "none is defined" : closest === null ? `known: ${known.join(", ")}` : `did you mean ${closest}? Known: ${known.join(", ")}`;
  return [{ path, message: `there is no ${noun} ${JSON.stringify(name)}; ${advice}` }];
}

/** Resolves every field whose schema says `.meta({ path: true })`, and the state directory, against the file's folder. */
function withAbsolutePaths(raw: Raw, form: ConfigForm, baseDir: string): Raw {
  const resolved = walk(raw, [], (value, path) => (schemasAt(form.schema, path).some((at) => at.meta()?.["path"] === true) && !isAbsolute(value) ? resolve(baseDir, value) : value)) as Raw;
  const { stateDir = form.stateDir } = raw;
  return { ...resolved, stateDir: typeof stateDir === "string" && stateDir !== "" ? resolve(baseDir, stateDir) : stateDir };
}

export function walk(value: unknown, path: readonly string[], change: (text: string, path: readonly string[]) => string): unknown {
  if (typeof value === "string") return change(value, path);
  if (Array.isArray(value)) return value.map((item, number) => walk(item, [...path, String(number)], change));
  return isGroup(value) ? mapValues(value, (member, key) => walk(member, [...path, key], change)) : value;
}

function isGroup(value: unknown): value is Raw {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

export function asGroup(value: unknown): Raw {
  return isGroup(value) ? value : {};
}

export function mapValues<T, U>(group: Readonly<Record<string, T>>, change: (value: T, key: string) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(group).map(([key, value]) => [key, change(value, key)]));
}
