import { HoldfastError } from "../../../lib/errors.ts";
import { checkFault } from "../check-tables.ts";
import { quoteName, type Session } from "../connect.ts";
import type { TableName } from "./named-together.ts";

/** Storage engines that keep a table in files of its own or in the system tablespace, and whose replay is exact. */
const WHOLE_ENGINES = new Set(["INNODB", "ARIA", "MYISAM", "CSV"]);

/**
 * Makes sure that every one of these tables that exists is whole: it can be opened, has a checksum, and CHECK TABLE finds
 * nothing. Nothing else notices a selection that lacks files: neither prepare nor the start of a server does. Throws
 * REFUSED, naming the table. Gives the number of tables that were checked.
 */
export async function requireWholeTables(session: Session, tables: readonly TableName[], signal: AbortSignal): Promise<number> {
  let checked = 0;
  for (const { schema, table } of tables) {
    signal.throwIfAborted();
    const row = await session.row("SELECT TABLE_TYPE AS k, ENGINE AS e, TABLE_COMMENT AS c FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", [schema, table]);
    if (row === null) continue;
    const name = `${schema}.${table}`;
    const kind = row["k"] ?? "";
    if (kind === "VIEW" || kind === "SYSTEM VIEW") throw refused(`${name} is a view, which needs the tables it shows`);
    if (!WHOLE_ENGINES.has((row["e"] ?? "").toUpperCase())) throw refused(`${name} cannot be opened without the rest (engine ${row["e"] ?? "unknown"}: ${row["c"] ?? ""})`);
    const fault = checkFault(await session.rows(`CHECK TABLE ${quoteName(schema, table)} EXTENDED`));
    if (fault !== null) throw refused(`CHECK TABLE says of ${name}: ${fault}`);
    if (kind !== "SEQUENCE" && (await session.row(`CHECKSUM TABLE ${quoteName(schema, table)}`))?.["Checksum"] == null) throw refused(`${name} has no checksum, so its file is missing`);
    checked += 1;
  }
  return checked;
}

function refused(what: string): HoldfastError {
  return new HoldfastError("REFUSED", `${what}.`);
}
