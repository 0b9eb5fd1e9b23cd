import { openFindingsOf } from "../catalog/findings.ts";
import { putProbe } from "../catalog/probes.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import type { ProbeReport } from "../model/instance.ts";
import { clear, raise } from "./findings.ts";
import type { ControlPorts } from "./ports.ts";

const KIND_PREFIX = "probe.";

/** Keeps the report; what it warns of becomes findings, and those of the last probe that are gone close. Call it in a transaction. */
export async function recordProbe(ports: Pick<ControlPorts, "clock" | "newId" | "log">, db: CatalogDb, instance: { id: string; name: string }, report: ProbeReport): Promise<void> {
  await putProbe(db, instance.id, report);
  const subject = `instance:${instance.id}`;
  const serious = report.notes.filter((note) => note.level !== "info");
  for (const note of serious) {
    await raise(ports, db, {
      kind: `${KIND_PREFIX}${note.code}`,
      subject,
      severity: note.level === "error" ? "critical" : "warning",
      message: `${instance.name}: ${note.message}`,
      remedy: note.remedy,
    });
  }
  const standing = new Set(serious.map((note) => `${KIND_PREFIX}${note.code}`));
  for (const finding of await openFindingsOf(db, [subject])) {
    if (finding.kind.startsWith(KIND_PREFIX) && !standing.has(finding.kind)) await clear(ports, db, finding);
  }
}
