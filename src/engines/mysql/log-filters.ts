import { isHoldfastError } from "../../lib/errors.ts";
import type { Session } from "./connect.ts";
import type { ServerFacts } from "./server-facts.ts";

/** Schemas that the server's binary log is limited to, or leaves out. */
export interface LogFilters {
  readonly only: readonly string[];
  readonly without: readonly string[];
  /** False under STATEMENT and MIXED, where the session's default schema decides instead of the table's. */
  readonly byTable: boolean;
}

/** What binlog_do_db and binlog_ignore_db say; SHOW MASTER STATUS alone tells them. Null when the account may not ask. */
export async function readLogFilters(session: Session, facts: Pick<ServerFacts, "variables">): Promise<LogFilters | null> {
  try {
    const row = await session.row("SHOW MASTER STATUS");
    const list = (value: string | null | undefined): string[] => (value ?? "").split(",").filter((name) => name !== "");
    return { only: list(row?.["Binlog_Do_DB"]), without: list(row?.["Binlog_Ignore_DB"]), byTable: facts.variables.get("binlog_format")?.toUpperCase() === "ROW" };
  } catch (error) {
    if (isHoldfastError(error, "PRIVILEGE_MISSING")) return null;
    throw error;
  }
}

/** True when every change in this schema is certain to be in the log, so that a replay brings it back. */
export function isLogged(filters: LogFilters, schema: string): boolean {
  if (filters.only.length > 0) return filters.byTable && filters.only.includes(schema);
  if (filters.without.length > 0) return filters.byTable && !filters.without.includes(schema);
  return true;
}

/** The same for a row that Holdfast writes: its sessions have no default schema, and such a statement is left out by binlog_do_db only. */
export function isMarkerLogged(filters: LogFilters, schema: string): boolean {
  return filters.only.length > 0 ? filters.byTable && filters.only.includes(schema) : !filters.without.includes(schema);
}
