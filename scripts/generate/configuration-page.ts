import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { agentConfigJsonSchema } from "../../src/config/agent-config.ts";
import { configJsonSchema } from "../../src/config/config.ts";
import { gatewayJsonSchema } from "../../src/config/gateway-config.ts";
import { keyholderJsonSchema } from "../../src/config/keyholder-config.ts";
import { tableCell } from "./table-cell.ts";

const DOCS = resolve(import.meta.dirname, "../../docs");
const END = "<!-- End of the generated part. -->";

/** As much of a JSON Schema as the configuration's uses. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/** docs/configuration.md: the text between the marks is made from the schema, the rest is written by hand. */
export function configurationPage(): Promise<string> {
  return pageWithKeys("configuration.md", "src/config/config.ts", configJsonSchema());
}

/** docs/gateway.md likewise. */
export function gatewayPage(): Promise<string> {
  return pageWithKeys("gateway.md", "src/config/gateway-config.ts", gatewayJsonSchema());
}

/** docs/agent.md likewise. */
export function agentPage(): Promise<string> {
  return pageWithKeys("agent.md", "src/config/agent-config.ts", agentConfigJsonSchema());
}

/** docs/keys.md likewise. */
export function keysPage(): Promise<string> {
  return pageWithKeys("keys.md", "src/config/keyholder-config.ts", keyholderJsonSchema());
}

async function pageWithKeys(name: string, source: string, schema: unknown): Promise<string> {
  const begin = `<!-- Generated from the schema in ${source} by \`npm run generate\`; do not edit down to the end mark. -->`;
  const page = await readFile(join(DOCS, name), "utf8");
  const [before, after] = [page.indexOf(begin), page.indexOf(END)];
  if (before === -1 || after < before) throw new Error(`docs/${name} lacks its marks: ${begin} … ${END}`);
  return `${page.slice(0, before)}${begin}\n\n${keyTables(schema as Schema)}\n${page.slice(after)}`;
}

function keyTables(schema: Schema): string {
  const groups = Object.entries(schema.properties ?? {});
  const single = groups.filter(([, each]) => !isGroup(each)).flatMap(([key, each]) => rowsOf([key], each, isRequired(schema, key)));
  const tables = groups.filter(([, each]) => isGroup(each)).map(([key, each]) => `### ${key}\n\n${each.description === undefined ? "" : `${each.description}\n\n`}${tableOf(rowsBelow([key], each))}`);
  return [`### Single values\n\n${tableOf(single)}`, ...tables].join("\n");
}

const isGroup = (schema: Schema): boolean => schema.type === "object";
const isRequired = (schema: Schema, key: string): boolean => schema.required?.includes(key) ?? false;

type Row = readonly [key: string, type: string, preset: string, description: string];

function tableOf(rows: readonly Row[]): string {
  return `| key | type | default | meaning |\n|---|---|---|---|\n${rows.map((row) => `| ${row.map(tableCell).join(" | ")} |\n`).join("")}`;
}

/** The keys of a group, of a group with names of the reader's own, and of each kind of one. */
function rowsBelow(path: readonly string[], schema: Schema): Row[] {
  if (typeof schema.additionalProperties === "object") return rowsBelow([...path, "<name>"], schema.additionalProperties);
  if (schema.oneOf !== undefined) return schema.oneOf.flatMap((kind) => rowsBelow(path, kind));
  return Object.entries(schema.properties ?? {}).flatMap(([key, each]) => rowsOf([...path, key], each, isRequired(schema, key)));
}

function rowsOf(path: readonly string[], schema: Schema, required: boolean): Row[] {
  if (isGroup(schema) && schema.properties !== undefined) return rowsBelow(path, schema);
  const items = schema.items?.properties === undefined ? [] : rowsBelow([...path.slice(0, -1), `${path.at(-1) ?? ""}[]`], schema.items);
  const preset = schema.default === undefined ? (required ? "required" : "") : `\`${JSON.stringify(schema.default)}\``;
  return [[`\`${path.join(".")}\``, typeText(schema), preset, schema.description ?? ""], ...items];
}

const NAMED_PATTERNS: readonly (readonly [string, string])[] = [
  ["(ms|s|m|h|d|w)", "duration"],
  ["(B|KiB|MiB|GiB|TiB)", "size"],
  ["[a-z0-9]", "name"],
];

function typeText(schema: Schema): string {
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(", ");
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeText).join(" or ");
  if (schema.properties !== undefined) return `\`{ ${Object.keys(schema.properties).map((key) => `${key}: …`).join(", ")} }\``;
  if (schema.items !== undefined) return `list of ${schema.items.properties === undefined ? typeText(schema.items) : "groups"}`;
  if (schema.type === "integer" || schema.type === "number") return `${schema.type === "integer" ? "whole number" : "number"}${boundsText(schema)}`;
  if (Array.isArray(schema.type)) return schema.type.join(" or ");
  return NAMED_PATTERNS.find(([mark]) => schema.pattern?.includes(mark))?.[1] ?? String(schema.type ?? "anything");
}

function boundsText({ minimum, maximum }: Schema): string {
  const upper = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? "" : ` to ${String(maximum)}`;
  if (minimum === undefined) return upper;
  return upper === "" ? `, at least ${String(minimum)}` : `, ${String(minimum)}${upper}`;
}
