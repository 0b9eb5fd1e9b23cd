import { HoldfastError } from "../../lib/errors.ts";
import { quoteId, type Row, type Session } from "./connect.ts";
import { SANDBOX_USER } from "./sandbox-account.ts";

/** A user or role of the server. */
export interface Account {
  /** As SQL names it: `'app'@'%'` or `'reader'`. */
  readonly sqlName: string;
  /** As people and digests name it. */
  readonly label: string;
  readonly role: boolean;
}

/** Accounts that belong to the server or that a sandbox replaces. */
const OWN_ACCOUNTS: ReadonlySet<string> = new Set(["root@localhost", "mariadb.sys@localhost", `${SANDBOX_USER}@localhost`]);

type Omit = (sentence: string) => void;

/** All users and roles but the server's own; empty, with an omission, when the account may not read them. */
export async function listAccounts(session: Session, omit: Omit): Promise<Account[]> {
  const rows = await accountRows(session).catch((error: unknown) => {
    omit(`Accounts and grants could not be read: ${reasonOf(error)}`);
    return [];
  });
  return rows
    .map((row) => accountOf(row["u"] ?? "", row["h"] ?? "", row["r"] === "Y"))
    .filter((account) => !OWN_ACCOUNTS.has(account.label))
    .sort((a, b) => (a.label < b.label ? -1 : 1));
}

async function accountRows(session: Session): Promise<Row[]> {
  const columns = await session.rows("SHOW COLUMNS FROM mysql.user LIKE 'is_role'");
  const role = columns.length > 0 ? "is_role" : "'N'";
  return session.rows(`SELECT User AS u, Host AS h, ${role} AS r FROM mysql.user`);
}

function accountOf(user: string, host: string, role: boolean): Account {
  // PUBLIC is a keyword, not a name, where MariaDB keeps its grants as a role of that name.
  if (role) return { sqlName: user === "PUBLIC" ? "PUBLIC" : quoteId(user), label: user, role };
  return { sqlName: `${quoteId(user)}@${quoteId(host)}`, label: `${user}@${host}`, role };
}

/** Statements that bring one account back, in order: first itself, then its grants. */
export async function accountGrants(session: Session, account: Account, omit: Omit): Promise<string[]> {
  try {
    const created = account.role ? createRole(account) : [onlyValue(await session.row(`SHOW CREATE USER ${account.sqlName}`))];
    const grants = await session.rows(`SHOW GRANTS FOR ${account.sqlName}`);
    return [...created, ...grants.map((row) => onlyValue(row))];
  } catch (error) {
    omit(`The grants of ${account.label} could not be read: ${reasonOf(error)}`);
    return [];
  }
}

function createRole(account: Account): string[] {
  return account.sqlName === "PUBLIC" ? [] : [`CREATE ROLE ${account.sqlName}`];
}

function onlyValue(row: Row | null): string {
  const value = row === null ? undefined : Object.values(row)[0];
  if (value === undefined || value === null) throw new HoldfastError("INTERNAL", "The server gave an empty answer to SHOW GRANTS.");
  return value;
}

/** Statements that bring all accounts and grants back. */
export async function grantStatements(session: Session, omit: Omit): Promise<string[]> {
  const accounts = await listAccounts(session, omit);
  const statements: string[] = [];
  for (const account of accounts) statements.push(...(await accountGrants(session, account, omit)).map((statement) => `${statement};`));
  // Accounts may be granted one another's roles, so all of them come before any grant.
  return [...statements.filter((statement) => statement.startsWith("CREATE ")), ...statements.filter((statement) => !statement.startsWith("CREATE "))];
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
