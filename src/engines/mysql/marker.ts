import { isHoldfastError } from "../../lib/errors.ts";
import type { NewId } from "../../lib/ids.ts";
import type { Session } from "./connect.ts";
import { sqlErrno } from "./connect-errors.ts";
import { ensureHeartbeat, HOLDFAST_SCHEMA } from "./heartbeat.ts";
import { ensureIdentityMarker } from "./identity.ts";
import { isMarkerLogged, readLogFilters } from "./log-filters.ts";
import type { ServerFacts } from "./server-facts.ts";

/**
 * Makes Holdfast's own schema with its marker rows in the source. Gives the reason, as a sentence, when that may not
 * be: a replica is never written to, because its own transactions would part it from its source.
 */
export async function prepareMarkers(session: Session, facts: Pick<ServerFacts, "variables">, newId: NewId): Promise<string | null> {
  const reason = await whyNotWritable(session, facts);
  if (reason !== null) return reason;
  try {
    await ensureHeartbeat(session);
    await ensureIdentityMarker(session, newId);
    return null;
  } catch (error) {
    // Any answer of the server is a reason, never a failure: a marker is wanted, a backup is needed.
    if (sqlErrno(error) === null || isHoldfastError(error, "DATABASE_UNREACHABLE")) throw error;
    return error instanceof Error ? error.message : String(error);
  }
}

/** Why nothing may be written to this server; null when it may. */
export async function whyNotWritable(session: Session, facts: Pick<ServerFacts, "variables">): Promise<string | null> {
  if (await isReplica(session)) return "The server is a replica, and a row written here would part it from its source.";
  if (/^(?:on|1|read_only|no_lock)/i.test(facts.variables.get("read_only") ?? "")) return "The server is read-only.";
  const filters = await readLogFilters(session, facts);
  if (filters !== null && !isMarkerLogged(filters, HOLDFAST_SCHEMA)) return `The server's log leaves the schema ${HOLDFAST_SCHEMA} out, so a replay could not bring the row back.`;
  return null;
}

/** True when the server follows another one, running or not; asked in a way that needs no right, then in the exact way. */
export async function isReplica(session: Session): Promise<boolean> {
  for (const sql of ["SHOW GLOBAL STATUS LIKE 'Slaves_running'", "SHOW GLOBAL STATUS LIKE 'Slave_running'"]) {
    if (/^(?:[1-9]|on)/i.test((await session.row(sql))?.["Value"] ?? "")) return true;
  }
  try {
    return (await session.rows("SHOW ALL SLAVES STATUS")).length > 0;
  } catch (error) {
    if (isHoldfastError(error, "PRIVILEGE_MISSING")) return false;
    throw error;
  }
}
