import type { ObjectDigest } from "../../model/backup-index.ts";
import { quoteName, type Row, type Session } from "./connect.ts";
import { sqlErrno } from "./connect-errors.ts";
import { notOurs, placeholders } from "./counts.ts";
import { digestOf, normalDefinition } from "./definitions.ts";
import { accountGrants, listAccounts } from "./grants.ts";

type Kind = ObjectDigest["kind"];

/** One kind of SHOW CREATE: where its names stand, and how it is asked for. */
interface ObjectQuery {
  readonly kind: Kind;
  /** Gives `s` (schema), `n` (name) and `w` (the word after SHOW CREATE); `?` are schemas to leave out. */
  readonly list: (hidden: string) => string;
  /** Word that comes before the name in the digest, where names of different things may be equal. */
  readonly labelled?: boolean;
}

const QUERIES: readonly ObjectQuery[] = [
  {
    kind: "table",
    list: (hidden) => `SELECT TABLE_SCHEMA AS s, TABLE_NAME AS n, 'TABLE' AS w FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND LOWER(TABLE_SCHEMA) NOT IN (${hidden})`,
  },
  { kind: "view", list: (hidden) => `SELECT TABLE_SCHEMA AS s, TABLE_NAME AS n, 'VIEW' AS w FROM information_schema.TABLES WHERE TABLE_TYPE = 'VIEW' AND LOWER(TABLE_SCHEMA) NOT IN (${hidden})` },
  { kind: "sequence", list: (hidden) => `SELECT TABLE_SCHEMA AS s, TABLE_NAME AS n, 'SEQUENCE' AS w FROM information_schema.TABLES WHERE TABLE_TYPE = 'SEQUENCE' AND LOWER(TABLE_SCHEMA) NOT IN (${hidden})` },
  { kind: "routine", labelled: true, list: (hidden) => `SELECT ROUTINE_SCHEMA AS s, ROUTINE_NAME AS n, ROUTINE_TYPE AS w FROM information_schema.ROUTINES WHERE LOWER(ROUTINE_SCHEMA) NOT IN (${hidden})` },
  { kind: "trigger", list: (hidden) => `SELECT TRIGGER_SCHEMA AS s, TRIGGER_NAME AS n, 'TRIGGER' AS w FROM information_schema.TRIGGERS WHERE LOWER(TRIGGER_SCHEMA) NOT IN (${hidden})` },
  { kind: "event", list: (hidden) => `SELECT EVENT_SCHEMA AS s, EVENT_NAME AS n, 'EVENT' AS w FROM information_schema.EVENTS WHERE LOWER(EVENT_SCHEMA) NOT IN (${hidden})` },
];

/** No such schema, table, routine, trigger, event, view or sequence. */
const GONE_ERRNOS: ReadonlySet<number> = new Set([1049, 1146, 1305, 1360, 1539, 4092, 4091]);

/** Takes sentences about what could not be read; ignored unless given. */
export type Omit = (sentence: string) => void;

/**
 * Digests of every definition this account may see: tables, views, sequences, routines, triggers, events and accounts.
 * The same objects give the same digests on the source and on a server of the same version restored from it. Left out:
 * the server's schemas, Holdfast's own, `root@localhost` (a sandbox replaces it) and `mariadb.sys`.
 */
export async function objectDigests(session: Session, omit: Omit = () => undefined): Promise<ObjectDigest[]> {
  const digests: ObjectDigest[] = [];
  for (const query of QUERIES) digests.push(...(await digestsOf(session, query, omit)));
  digests.push(...(await accountDigests(session, omit)));
  return digests.sort((a, b) => compareText(a.kind, b.kind) || compareText(a.name, b.name));
}

/** Order by code unit: the same everywhere, whatever the locale. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function digestsOf(session: Session, query: ObjectQuery, omit: Omit): Promise<ObjectDigest[]> {
  const hidden = notOurs();
  const digests: ObjectDigest[] = [];
  for (const row of await session.rows(query.list(placeholders(hidden)), hidden)) {
    const name = `${row["s"] ?? ""}.${row["n"] ?? ""}`;
    const definition = await definitionOf(session, row).catch((error: unknown) => {
      // Dropped since it was listed: no object of this moment.
      if (GONE_ERRNOS.has(sqlErrno(error) ?? 0)) return null;
      omit(`The definition of the ${query.kind} ${name} could not be read: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    });
    if (definition !== null) digests.push({ kind: query.kind, name: query.labelled === true ? `${row["w"]?.toLowerCase() ?? ""} ${name}` : name, sha256: digestOf(definition) });
  }
  return digests;
}

async function definitionOf(session: Session, named: Row): Promise<string> {
  const row = await session.row(`SHOW CREATE ${named["w"] ?? ""} ${quoteName(named["s"] ?? "", named["n"] ?? "")}`);
  // An account that may list a routine but not read it gets NULL instead of the text.
  const text = row === null ? undefined : Object.entries(row).find(([column]) => /^(Create|SQL Original)/i.test(column))?.[1];
  if (row === null || text === null || text === undefined) throw new Error("the server does not show it to this account.");
  return normalDefinition(row);
}

async function accountDigests(session: Session, omit: Omit): Promise<ObjectDigest[]> {
  const digests: ObjectDigest[] = [];
  for (const account of await listAccounts(session, omit)) {
    const statements = await accountGrants(session, account, omit);
    // The server prints grants in the order of a hash table; sets are compared, not lists.
    if (statements.length > 0) digests.push({ kind: "user", name: account.label, sha256: digestOf([...statements].sort().join("\n")) });
  }
  return digests;
}
