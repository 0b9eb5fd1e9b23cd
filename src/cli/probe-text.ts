import { formatBytes } from "../lib/units.ts";
import type { ProbeReport } from "../model/instance.ts";
import { printable, table } from "./text.ts";

/** A probe as a page: the server, its schemas, and what stops or weakens its backups. */
export function probeText(probe: ProbeReport, width: number): string {
  const facts = [
    `${probe.flavour} ${probe.serverVersion}, backup tool ${probe.toolVersion ?? "missing"}`,
    `data directory ${probe.dataDirectory}, ${formatBytes(probe.sizeBytes)}`,
    `identity of the data ${probe.dataIdentity}`,
    `binary log ${probe.logging.enabled ? `on, ${probe.logging.format}` : "off"}`,
  ];
  const schemas = table(
    [{ title: "schema", shrink: true }, { title: "tables", align: "right" }, { title: "rows, about", align: "right" }, { title: "size", align: "right" }],
    probe.schemas.map((schema) => [schema.name, String(schema.tables.length), String(schema.tables.reduce((sum, each) => sum + each.rowsEstimate, 0)), formatBytes(schema.sizeBytes)]),
    width,
  );
  const notes = probe.notes.map((note) => `${note.level}: ${printable(note.message)}\n  → ${printable(note.remedy)}`);
  return [facts.join("\n"), schemas, notes.length === 0 ? "Nothing stops or weakens its backups." : notes.join("\n")].join("\n\n");
}
