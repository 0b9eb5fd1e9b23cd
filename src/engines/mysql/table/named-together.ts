import { type SqlToken, sqlTokens, wordOf } from "../binlog/sql-tokens.ts";

/**
 * Which tables a statement of the log names. Names are over-counted on purpose: columns, types and keywords count as
 * tables, too. A table too many costs time; one too few loses changes in silence (`RENAME t TO x`, changes to x,
 * `RENAME x TO t`: a replay of t alone would leave them out).
 */

export interface TableName {
  readonly schema: string;
  readonly table: string;
}

/**
 * `frame`: begins or ends work. `rows`: changes rows, logged as text. `definition`: DDL that can carry data from one
 * name to another. `apart`: changes nothing that a table holds.
 */
export type StatementKind = "frame" | "rows" | "definition" | "apart";

export interface LoggedStatement {
  readonly kind: StatementKind;
  readonly tables: readonly TableName[];
}

const FRAMES = new Set(["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "XA"]);
const DEFINITIONS = new Set(["CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE"]);
const APART = new Set(["GRANT", "REVOKE", "ANALYZE", "OPTIMIZE", "REPAIR", "FLUSH", "INSTALL", "UNINSTALL", "SET", "CHECK"]);
/** What CREATE, ALTER and DROP can be about without touching a table's rows: its name, or that of its schema, changes nothing. */
const OTHER_OBJECTS = new Set(["VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "USER", "ROLE", "PACKAGE", "SERVER"]);
const BEFORE_OBJECT = new Set(["OR", "REPLACE", "AGGREGATE", "ALGORITHM", "UNDEFINED", "MERGE", "TEMPTABLE", "SQL", "SECURITY", "INVOKER", "IF", "EXISTS", "NOT"]);

/** By then every statement has said what kind it is of. */
const KIND_CHARS = 16_384;

/** Reads one statement; `schema` is the default schema of its session. */
export function readStatement(sql: string, schema: string): LoggedStatement {
  // A statement that changes rows can hold megabytes of them.
  const kind = kindOf(sqlTokens(sql.slice(0, KIND_CHARS)).map(wordOf));
  return { kind, tables: kind === "definition" ? namesIn(sqlTokens(sql), schema) : [] };
}

function kindOf(words: readonly string[]): StatementKind {
  const first = words[0] ?? "";
  if (FRAMES.has(first)) return "frame";
  if (APART.has(first)) return "apart";
  if (!DEFINITIONS.has(first)) return "rows";
  return isAboutOtherObject(words) ? "apart" : "definition";
}

/** `CREATE DEFINER=… TRIGGER`: what stands before the kind of object is known, except the definer's name. */
function isAboutOtherObject(words: readonly string[]): boolean {
  for (let at = 1; at < words.length; at += 1) {
    const word = words[at] ?? "";
    if (OTHER_OBJECTS.has(word)) return true;
    // `SQL SECURITY DEFINER` names nobody.
    if (word === "DEFINER") {
      if (words[at + 1] === "=") at = endOfDefiner(words, at);
      continue;
    }
    if (word !== "=" && !BEFORE_OBJECT.has(word)) return false;
  }
  return false;
}

/** Index of the last token of `DEFINER = user @ host`. */
function endOfDefiner(words: readonly string[], at: number): number {
  const user = at + 2;
  if (words[user + 1] === "@") return user + 2;
  return words[user + 1] === "(" ? user + 2 : user;
}

function namesIn(tokens: readonly SqlToken[], schema: string): TableName[] {
  const names = new Map<string, TableName>();
  const add = (of: string, table: string): void => {
    if (of !== "" && table !== "") names.set(nameKey({ schema: of, table }), { schema: of, table });
  };
  tokens.forEach((token, index) => {
    if (!token.isName) return;
    const next = tokens[index + 2];
    if (tokens[index + 1]?.text === "." && next?.isName === true) add(token.text, next.text);
    add(schema, token.text);
  });
  return [...names.values()];
}

export function nameKey({ schema, table }: TableName): string {
  return `${schema}\0${table}`;
}

/** The names, and every name that stands in one definition with one of them, until none is new. */
export function joinNames(names: readonly TableName[], definitions: readonly (readonly TableName[])[]): TableName[] {
  const joined = new Map(names.map((name) => [nameKey(name), name]));
  let waiting = definitions.map((tables) => tables.map((table) => [nameKey(table), table] as const));
  for (;;) {
    const met = waiting.filter((tables) => tables.some(([key]) => joined.has(key)));
    if (met.length === 0) return [...joined.values()];
    waiting = waiting.filter((tables) => !met.includes(tables));
    for (const tables of met) for (const [key, table] of tables) joined.set(key, table);
  }
}
