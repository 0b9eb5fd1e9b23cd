import type { Session } from "./connect.ts";
import { HOLDFAST_SCHEMA } from "./heartbeat.ts";
import { isAtLeast, type Version } from "./versions.ts";

/** What an account may do: on everything, and on single schemas. */
export interface Privileges {
  /** `'user'@'host'`, as GRANT names it. */
  readonly account: string;
  readonly global: ReadonlySet<string>;
  readonly bySchema: ReadonlyMap<string, ReadonlySet<string>>;
}

/** One use of rights, and what is lost without them. */
export interface Need {
  readonly code: string;
  readonly level: "error" | "warning" | "info";
  readonly privileges: readonly string[];
  /** Null for `*.*`. */
  readonly schema: string | null;
  readonly loss: string;
}

/** One name for each right: servers print several (MDEV-34053, and the change of words in 10.5). */
const ALIASES: Readonly<Record<string, string>> = {
  "REPLICATION CLIENT": "BINLOG MONITOR",
  "REPLICA MONITOR": "SLAVE MONITOR",
  "REPLICATION REPLICA": "REPLICATION SLAVE",
  "ALL PRIVILEGES": "ALL",
};

function canonical(privilege: string): string {
  const name = privilege.trim().toUpperCase().replace(/\s+/g, " ");
  return ALIASES[name] ?? name;
}

/** Rights of the session's account, with those of its active role. */
export async function readPrivileges(session: Session): Promise<Privileges> {
  const rows = await session.rows("SHOW GRANTS");
  const current = (await session.row("SELECT CURRENT_USER() AS account"))?.["account"] ?? "";
  const split = current.lastIndexOf("@");
  return { account: `${quoteText(current.slice(0, split))}@${quoteText(current.slice(split + 1))}`, ...parseGrants(rows.map((row) => Object.values(row)[0] ?? "")) };
}

/** Reads the lines of SHOW GRANTS; rights on single tables, columns and routines are no help here and are left out. */
export function parseGrants(lines: readonly string[]): Pick<Privileges, "global" | "bySchema"> {
  const global = new Set<string>();
  const bySchema = new Map<string, Set<string>>();
  for (const line of lines) {
    const match = /^GRANT (.+?) ON (\*|`(?:[^`]|``)*`)\.(\*) TO /.exec(line);
    const privileges = (match?.[1] ?? "").split(",").map(canonical);
    if (match === null) continue;
    if (match[2] === "*") for (const privilege of privileges) global.add(privilege);
    else addAll(bySchema, schemaName(match[2] ?? ""), privileges);
  }
  return { global, bySchema };
}

/** Between backticks; `_` and `%` are patterns there unless escaped, and we look for one plain name only. */
function schemaName(quoted: string): string {
  return quoted.slice(1, -1).replaceAll("``", "`").replace(/\\([_%\\])/g, "$1");
}

function addAll(map: Map<string, Set<string>>, key: string, values: readonly string[]): void {
  const set = map.get(key) ?? new Set<string>();
  for (const value of values) set.add(value);
  map.set(key, set);
}

/** The rights that a need lacks, in its own order. */
export function missing(privileges: Pick<Privileges, "global" | "bySchema">, need: Need): string[] {
  const own = need.schema === null ? undefined : privileges.bySchema.get(need.schema);
  const has = (privilege: string): boolean => privileges.global.has("ALL") || privileges.global.has(privilege) || own?.has("ALL") === true || own?.has(privilege) === true;
  return need.privileges.filter((privilege) => !has(canonical(privilege)));
}

/** The statement to run; it names what lacks and nothing else. */
export function grantStatement(privileges: Pick<Privileges, "account">, lacking: readonly string[], schema: string | null): string {
  const place = schema === null ? "*.*" : `\`${schema.replaceAll("`", "``")}\`.*`;
  return `GRANT ${lacking.join(", ")} ON ${place} TO ${privileges.account};`;
}

function quoteText(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

/**
 * What Holdfast needs of a MariaDB server of this version. The first row is what MariaDB names for mariadb-backup;
 * before 10.5 BINLOG MONITOR was part of REPLICATION CLIENT.
 */
export function needsOf(version: Version, options: { heartbeat: boolean }): Need[] {
  const monitor = isAtLeast(version, 10, 5) ? "BINLOG MONITOR" : "REPLICATION CLIENT";
  const needs: Need[] = [
    { code: "backup-privileges", level: "error", privileges: ["RELOAD", "PROCESS", "LOCK TABLES", monitor], schema: null, loss: "no backup can be taken" },
    { code: "log-privileges", level: "warning", privileges: ["REPLICATION SLAVE"], schema: null, loss: "the binary log cannot be shipped" },
    { code: "read-privileges", level: "warning", privileges: ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"], schema: null, loss: "row counts, definitions and grants cannot be recorded, so a verification has less to compare" },
  ];
  if (options.heartbeat) {
    needs.push({ code: "heartbeat-privileges", level: "warning", privileges: ["SELECT", "INSERT", "UPDATE", "CREATE"], schema: HOLDFAST_SCHEMA, loss: "no marker row can be written, so a replay is proven by counts alone" });
  }
  return needs;
}
