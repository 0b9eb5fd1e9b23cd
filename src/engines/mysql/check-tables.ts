import { quoteName, type Row, type Session } from "./connect.ts";

/** A table as CHECK TABLE is asked for it. */
export interface CheckedTable {
  readonly schema: string;
  readonly table: string;
}

/** Every table that has data of its own: the server's too, but no views, which may be invalid on the source as well. */
export async function tablesToCheck(session: Session): Promise<CheckedTable[]> {
  const rows = await session.rows(
    `SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t FROM information_schema.TABLES
      WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') AND TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema')
      ORDER BY BINARY TABLE_SCHEMA, BINARY TABLE_NAME`,
  );
  return rows.map((row) => ({ schema: row["s"] ?? "", table: row["t"] ?? "" }));
}

/** Checks every table, shared out among the sessions; gives `schema.table: message` of those that are not OK, sorted. */
export async function checkAllTables(sessions: readonly Session[]): Promise<string[]> {
  const [first] = sessions;
  if (first === undefined) return [];
  const waiting = await tablesToCheck(first);
  const findings: string[] = [];
  const work = async (session: Session): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const fault = checkFault(await session.rows(`CHECK TABLE ${quoteName(next.schema, next.table)} MEDIUM`));
      if (fault !== null) findings.push(`${next.schema}.${next.table}: ${fault}`);
    }
  };
  await Promise.all(sessions.map(work));
  return findings.sort();
}

/**
 * What a CHECK TABLE answer complains of; null when it does not. Engines that cannot check (sequences, BLACKHOLE) answer
 * with a note alone. Warnings beside a final OK (a MyISAM table that was open) are none.
 */
export function checkFault(answer: readonly Row[]): string | null {
  const said = answer.map((row) => ({ type: (row["Msg_type"] ?? "").toLowerCase(), text: row["Msg_text"] ?? "" }));
  const last = said.at(-1);
  if (last === undefined) return "CHECK TABLE gave no answer";
  const good = last.type === "note" || (last.type === "status" && last.text === "OK");
  if (good && !said.some(({ type }) => type === "error")) return null;
  return said.map(({ text }) => text).join("; ");
}
