import type { LogDefinition } from "../../../model/log-groups.ts";
import { type SqlToken, sqlTokens, wordOf } from "./sql-tokens.ts";

const OPTIONAL = new Set(["OR", "REPLACE", "ONLINE", "IGNORE", "IF", "NOT", "EXISTS", "UNIQUE", "FULLTEXT", "SPATIAL"]);
const TABLE_WORDS = new Set(["TABLE", "TABLES", "SEQUENCE"]);

/**
 * What a statement of the log does to which tables, by their names as `schema.table`: definitions, and changes of rows
 * that are logged as text. `schema` is the default schema of its session. Null for all other statements and for
 * temporary tables, which nobody else sees.
 */
export function readDefinition(sql: string, schema: string): LogDefinition | null {
  const tokens = sqlTokens(sql);
  const [first = ""] = tokens.map(wordOf);
  let at = 1;
  while (OPTIONAL.has(wordOf(tokens[at]))) at += 1;
  const object = wordOf(tokens[at]);
  if (object === "TEMPORARY") return null;
  if (ROWS.has(first)) return rowsAsText(tokens, schema);
  if (first === "TRUNCATE") return definition("truncate", [nameAt(tokens, skip(tokens, object === "TABLE" ? at + 1 : at), schema)]);
  if (object === "DATABASE" || object === "SCHEMA") return first === "DROP" ? { action: "drop-schema", names: [tokens[skip(tokens, at + 1)]?.text ?? ""] } : null;
  if (object === "INDEX") return indexed(tokens, schema);
  if (!TABLE_WORDS.has(object)) return null;
  return ofTables(first, { tokens, at: skip(tokens, at + 1), schema });
}

interface Place {
  readonly tokens: readonly SqlToken[];
  readonly at: number;
  readonly schema: string;
}

function ofTables(first: string, { tokens, at, schema }: Place): LogDefinition | null {
  const words = tokens.map(wordOf);
  if (first === "DROP") return definition("drop", listAt(tokens, at, schema));
  if (first === "RENAME") return definition("rename", renamedIn(tokens, at, schema));
  // What stood there before is lost.
  if (first === "CREATE") return definition(words.slice(1, at).includes("REPLACE") ? "drop" : "create", [nameAt(tokens, at, schema)]);
  if (first !== "ALTER") return null;
  const table = nameAt(tokens, at, schema);
  const follows = (one: string, other: string): boolean => words.some((word, index) => word === one && words[index + 1] === other);
  if (follows("DROP", "PARTITION")) return definition("drop", [table]);
  if (follows("TRUNCATE", "PARTITION")) return definition("truncate", [table]);
  const renamed = words.findIndex((word, index) => word === "RENAME" && !["COLUMN", "INDEX", "KEY"].includes(words[index + 1] ?? ""));
  if (renamed < 0) return definition("alter", [table]);
  const to = ["TO", "AS", "="].includes(wordOf(tokens[renamed + 1])) ? renamed + 2 : renamed + 1;
  return definition("rename", [table, nameAt(tokens, to, schema)]);
}

function definition(action: LogDefinition["action"], names: readonly string[]): LogDefinition {
  return { action, names: names.filter((name) => name !== "") };
}

/** Index behind `IF [NOT] EXISTS`. */
function skip(tokens: readonly SqlToken[], at: number): number {
  let behind = at;
  while (["IF", "NOT", "EXISTS"].includes(wordOf(tokens[behind]))) behind += 1;
  return behind;
}

function nameAt(tokens: readonly SqlToken[], at: number, schema: string): string {
  const [first, dot, second] = [tokens[at], tokens[at + 1], tokens[at + 2]];
  if (first?.isName !== true) return "";
  return dot?.text === "." && second?.isName === true ? `${first.text}.${second.text}` : `${schema}.${first.text}`;
}

const lengthAt = (tokens: readonly SqlToken[], at: number): number => (tokens[at + 1]?.text === "." ? 3 : 1);

function listAt(tokens: readonly SqlToken[], at: number, schema: string): string[] {
  const names: string[] = [];
  for (let next = at; tokens[next]?.isName === true; ) {
    names.push(nameAt(tokens, next, schema));
    next += lengthAt(tokens, next);
    if (tokens[next]?.text !== ",") break;
    next += 1;
  }
  return names;
}

function renamedIn(tokens: readonly SqlToken[], at: number, schema: string): string[] {
  const names: string[] = [];
  for (let next = at; tokens[next]?.isName === true; ) {
    names.push(nameAt(tokens, next, schema));
    next += lengthAt(tokens, next);
    while (["TO", ","].includes(wordOf(tokens[next])) || ["WAIT", "NOWAIT"].includes(wordOf(tokens[next])) || /^\d+$/.test(wordOf(tokens[next]))) next += 1;
  }
  return names;
}

/** `CREATE INDEX i ON t`, `DROP INDEX i ON t`. */
function indexed(tokens: readonly SqlToken[], schema: string): LogDefinition | null {
  const on = tokens.findIndex((token) => wordOf(token) === "ON");
  return on < 0 ? null : definition("alter", [nameAt(tokens, on + 1, schema)]);
}

const ROWS = new Set(["INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD"]);
const BEFORE_NAME = new Set(["INTO", "FROM", "UPDATE", "JOIN", "TABLE", "DELETE", "INSERT", "REPLACE"]);
const MODIFIERS = new Set(["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "QUICK", "INTO", "FROM", "TABLE"]);

function rowsAsText(tokens: readonly SqlToken[], schema: string): LogDefinition {
  const names = tokens.flatMap((token, index) => (BEFORE_NAME.has(wordOf(token)) && !MODIFIERS.has(wordOf(tokens[index + 1])) ? listAt(tokens, index + 1, schema) : []));
  return definition("rows", [...new Set(names)]);
}
