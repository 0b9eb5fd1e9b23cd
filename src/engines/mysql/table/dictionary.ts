import { HoldfastError } from "../../../lib/errors.ts";
import type { Session } from "../connect.ts";
import { joinNames, nameKey, type TableName } from "./named-together.ts";
import type { TableFileName } from "./table-files.ts";

/** Tables that must be restored together so that one of them is right, under both kinds of names. */
export interface TableSet {
  readonly names: readonly TableName[];
  readonly files: readonly TableFileName[];
  /** Starts of the paths of InnoDB's hidden tables (full-text indexes) that belong to them. */
  readonly hidden: readonly string[];
}

/**
 * The table with all that its replay depends on: every name that a definition in the log brings together with it, and
 * the parents of foreign keys, upward to the last (cascades run inside the server and are not in the row log), until
 * nothing new comes. Asks InnoDB's dictionary, which knows all tables, also those whose files are not there.
 */
export async function tablesBelongingTo(session: Session, table: TableName, definitions: readonly (readonly TableName[])[]): Promise<TableSet> {
  const parents = await foreignKeyParents(session);
  const files = new Map<string, TableFileName>();
  let names = [table];
  for (;;) {
    names = joinNames(names, definitions);
    const known = names.length;
    for (const name of names) if (!files.has(nameKey(name))) files.set(nameKey(name), await fileNameOf(session, name));
    const keys = new Set(names.map(nameKey));
    for (const path of above(parents, [...files.values()])) {
      const parent = await nameOfFile(session, path);
      if (!keys.has(nameKey(parent))) names = [...names, parent];
    }
    if (names.length === known) break;
  }
  const all = [...files.values()];
  return { names, files: all, hidden: await hiddenTables(session, all) };
}

const pathOf = ({ dir, base }: TableFileName): string => `${dir}/${base}`;

/** `dir/base` of each child, with those of its parents. */
async function foreignKeyParents(session: Session): Promise<Map<string, string[]>> {
  const parents = new Map<string, string[]>();
  for (const row of await session.rows("SELECT FOR_NAME AS c, REF_NAME AS p FROM information_schema.INNODB_SYS_FOREIGN")) {
    const child = row["c"] ?? "";
    parents.set(child, [...(parents.get(child) ?? []), row["p"] ?? ""]);
  }
  return parents;
}

function above(parents: ReadonlyMap<string, readonly string[]>, children: readonly TableFileName[]): string[] {
  const seen = new Set(children.map(pathOf));
  const found: string[] = [];
  const waiting = [...seen];
  for (let child = waiting.pop(); child !== undefined; child = waiting.pop()) {
    for (const parent of parents.get(child) ?? []) {
      if (seen.has(parent)) continue;
      seen.add(parent);
      found.push(parent);
      waiting.push(parent);
    }
  }
  return found;
}

/** The server knows its own encoding of file names as a character set. */
async function fileNameOf(session: Session, { schema, table }: TableName): Promise<TableFileName> {
  const row = await session.row("SELECT CAST(CONVERT(? USING filename) AS BINARY) AS d, CAST(CONVERT(? USING filename) AS BINARY) AS b", [schema, table]);
  return { dir: row?.["d"] ?? "", base: row?.["b"] ?? "" };
}

async function nameOfFile(session: Session, path: string): Promise<TableName> {
  const match = /^([\w@$]+)\/([\w@$]+)$/.exec(path);
  if (match === null) throw new HoldfastError("REFUSED", `InnoDB names the table file ${JSON.stringify(path)}, which is no name of a table.`);
  const row = await session.row(`SELECT CONVERT(_filename'${match[1] ?? ""}' USING utf8mb4) AS s, CONVERT(_filename'${match[2] ?? ""}' USING utf8mb4) AS t`);
  return { schema: row?.["s"] ?? "", table: row?.["t"] ?? "" };
}

/** Hidden tables of full-text indexes bear the id of their table: `d/FTS_<16 digits of hex>_…`. */
async function hiddenTables(session: Session, files: readonly TableFileName[]): Promise<string[]> {
  const byPath = new Map(files.map((file) => [pathOf(file), file]));
  const rows = await session.rows("SELECT TABLE_ID AS i, NAME AS n FROM information_schema.INNODB_SYS_TABLES");
  return rows.flatMap((row) => {
    const file = byPath.get(row["n"] ?? "");
    return file === undefined ? [] : [`${file.dir}/FTS_${BigInt(row["i"] ?? "0").toString(16).padStart(16, "0")}_`];
  });
}
