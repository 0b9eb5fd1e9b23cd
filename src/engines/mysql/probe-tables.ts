import type { ProbeNote, ProbeReport } from "../../model/instance.ts";
import type { TableInfo } from "./counts.ts";

type SchemaReport = ProbeReport["schemas"][number];

/** Engines whose tables come back as they were at one moment, together with all others. */
const TRANSACTIONAL: ReadonlySet<string> = new Set(["innodb", "rocksdb"]);
/** Engines that keep nothing that a backup could miss. */
const WITHOUT_DATA: ReadonlySet<string> = new Set(["blackhole", "mrg_myisam", "memory", "federated", "federatedx", "spider", "connect"]);
const NAMED_AT_MOST = 5;

/** Tables by schema, with sizes. Schemas that hold no table are named too. */
export function schemasOf(tables: readonly TableInfo[], names: readonly string[]): SchemaReport[] {
  return names.map((name) => {
    const own = tables.filter((table) => table.schema === name);
    return {
      name,
      sizeBytes: own.reduce((sum, table) => sum + table.sizeBytes, 0),
      tables: own.map((table) => ({ name: table.table, engine: table.engine, rowsEstimate: table.rowsEstimate, sizeBytes: table.sizeBytes })),
    };
  });
}

/** Tables whose engine makes a weaker promise than InnoDB, and tables that the server itself cannot open. */
export function tableNotes(tables: readonly TableInfo[]): ProbeNote[] {
  const engineOf = (table: TableInfo): string => table.engine?.toLowerCase() ?? "";
  const loose = tables.filter((table) => table.engine !== null && !TRANSACTIONAL.has(engineOf(table)) && !WITHOUT_DATA.has(engineOf(table)));
  const broken = tables.filter((table) => table.engine === null);
  const notes: ProbeNote[] = [];
  if (loose.length > 0) {
    notes.push({
      level: "warning",
      code: "not-transactional",
      message: `${String(loose.length)} tables are of engines without transactions (${named(loose)}): each backup copies them whole and locks them meanwhile, and their rows are not compared exactly.`,
      remedy: "ALTER TABLE ... ENGINE=InnoDB where the application allows it.",
    });
  }
  if (broken.length > 0) {
    notes.push({ level: "warning", code: "table-unreadable", message: `${String(broken.length)} tables cannot be opened by the server (${named(broken)}).`, remedy: "Look at CHECK TABLE and the server's error log before relying on a backup of them." });
  }
  return notes;
}

function named(tables: readonly TableInfo[]): string {
  const names = tables.slice(0, NAMED_AT_MOST).map((table) => `${table.schema}.${table.table}${table.engine === null ? "" : ` ${table.engine}`}`);
  return tables.length > NAMED_AT_MOST ? `${names.join(", ")} and ${String(tables.length - NAMED_AT_MOST)} more` : names.join(", ");
}
