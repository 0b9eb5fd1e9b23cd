import { HoldfastError } from "../../../lib/errors.ts";
import type { Session } from "../connect.ts";

interface TableName {
  readonly schema: string;
  readonly table: string;
}

/** The server cuts its list at commas and each name at its first dot, and has no way to quote either. */
export function canBeFiltered({ schema, table }: TableName): boolean {
  return !/[,.]/.test(schema) && !table.includes(",") && schema === schema.trim() && table === table.trim() && schema !== "" && table !== "";
}

/**
 * Makes a replication connection apply only changes of these tables, and looks whether the server understood the list
 * as it was meant. Throws REFUSED otherwise: a name that is left out would be a silent loss.
 */
export async function limitReplay(session: Session, connection: string, tables: readonly TableName[]): Promise<void> {
  const wrong = tables.find((table) => !canBeFiltered(table));
  if (wrong !== undefined) throw new HoldfastError("REFUSED", `The server cannot be told to replay only ${JSON.stringify(`${wrong.schema}.${wrong.table}`)}: commas, dots and blanks at the ends of names mean something else in its list.`);
  const wanted = new Set(tables.map(({ schema, table }) => `${schema}.${table}`));
  await session.run("SET SESSION default_master_connection = ?", [connection]);
  await session.run("SET GLOBAL replicate_do_table = ?", [[...wanted].join(",")]);
  await session.run("SET SESSION default_master_connection = ''");
  const status = await session.row(`SHOW SLAVE '${connection}' STATUS`);
  const taken = new Set((status?.["Replicate_Do_Table"] ?? "").split(",").filter((name) => name !== ""));
  if (taken.size === wanted.size && [...wanted].every((name) => taken.has(name))) return;
  throw new HoldfastError("REFUSED", `The server understood the list of ${String(wanted.size)} tables to be replayed as ${String(taken.size)} others.`);
}
