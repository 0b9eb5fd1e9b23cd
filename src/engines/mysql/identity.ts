import { stat } from "node:fs/promises";
import { join } from "node:path";
import { quoteId, type Session } from "./connect.ts";
import { sqlErrno } from "./connect-errors.ts";
import { HOLDFAST_SCHEMA } from "./heartbeat.ts";
import type { ServerFacts } from "./server-facts.ts";

const TABLE = `${quoteId(HOLDFAST_SCHEMA)}.${quoteId("instance_identity")}`;
const ABSENT_ERRNOS: ReadonlySet<number> = new Set([1049, 1146, 1044, 1142]);

/**
 * Identity of the data a server works on: two backups can be one chain, and two log files one timeline, only when it is
 * the same. It is made of what a restore changes and a restart does not:
 * - `data=`: inode and birth time of the system tablespace. A restored or copied data directory has another one, even
 *   on the same host and port, where @@server_uid (made of network address and port) stays the same.
 * - where that file cannot be seen: `marker=` (a row Holdfast wrote once) with @@server_uid, since a replica has its
 *   source's row too.
 */
export async function readDataIdentity(session: Session, facts: Pick<ServerFacts, "variables" | "dataDirectory">): Promise<string> {
  const data = await systemTablespaceIdentity(facts);
  if (data !== null) return `data=${data}`;
  const marker = await readIdentityMarker(session);
  const server = facts.variables.get("server_uid") ?? facts.variables.get("server_uuid") ?? "unknown";
  return marker === null ? `server=${server}` : `marker=${marker};server=${server}`;
}

/** Inode and birth time in nanoseconds; null when the file cannot be seen from here. */
async function systemTablespaceIdentity(facts: Pick<ServerFacts, "variables" | "dataDirectory">): Promise<string | null> {
  try {
    const found = await stat(systemTablespacePath(facts), { bigint: true });
    // Where a file system knows no birth time, the time of the last change is given in its place, which moves.
    const born = found.birthtimeNs === found.ctimeNs ? 0n : found.birthtimeNs;
    return `${String(found.ino)}-${String(born)}`;
  } catch {
    return null;
  }
}

/** The first file of innodb_data_file_path (`ibdata1:12M:autoextend;…`), in innodb_data_home_dir. */
export function systemTablespacePath(facts: Pick<ServerFacts, "variables" | "dataDirectory">): string {
  const first = (facts.variables.get("innodb_data_file_path") ?? "").split(";")[0]?.split(":")[0] ?? "";
  const home = facts.variables.get("innodb_data_home_dir") ?? "";
  const name = first === "" ? "ibdata1" : first;
  if (name.startsWith("/")) return name;
  return join(home.startsWith("/") ? home : join(facts.dataDirectory, home), name);
}

/** Writes the identity row once; a row that is there stays. Throws PRIVILEGE_MISSING where it may not. */
export async function ensureIdentityMarker(session: Session, newId: () => string): Promise<void> {
  if ((await readIdentityMarker(session)) !== null) return;
  await session.run(`CREATE DATABASE IF NOT EXISTS ${quoteId(HOLDFAST_SCHEMA)}`);
  await session.run(`CREATE TABLE IF NOT EXISTS ${TABLE} (one TINYINT NOT NULL PRIMARY KEY, id CHAR(26) CHARACTER SET ascii NOT NULL) ENGINE=InnoDB`);
  await session.run(`INSERT IGNORE INTO ${TABLE} (one, id) VALUES (1, ?)`, [newId()]);
}

/** The identity row; null when there is none or it may not be read. */
export async function readIdentityMarker(session: Session): Promise<string | null> {
  try {
    return (await session.row(`SELECT id FROM ${TABLE} WHERE one = 1`))?.["id"] ?? null;
  } catch (error) {
    if (ABSENT_ERRNOS.has(sqlErrno(error) ?? 0)) return null;
    throw error;
  }
}
