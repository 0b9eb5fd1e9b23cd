import type { CatalogDb } from "../catalog/schema.ts";
import type { CheckOrder, Report } from "../model/job.ts";
import { clear, raise } from "./findings.ts";
import type { ControlPorts } from "./ports.ts";

type CheckReport = Extract<Report, { kind: "check" }>;

/** Of a backup (`backup:<id>`) or a piece of log (`segment:<id>`) whose stored objects are not what they should be. */
export const DAMAGED_FINDING_KIND = "stored-object-damaged";
const KEYS_SHOWN = 5;

/** One finding per backup or log segment with damaged objects; those found whole again close. Call it in a transaction. */
export async function recordCheck(ports: Pick<ControlPorts, "clock" | "newId" | "log">, db: CatalogDb, order: CheckOrder, report: CheckReport): Promise<void> {
  const byOwner = Map.groupBy(report.problems, (problem) => problem.owner);
  for (const [owner, problems] of byOwner) {
    const shown = problems.slice(0, KEYS_SHOWN).map(({ key, problem, detail }) => `${key} (${problem}: ${detail})`);
    const more = problems.length > KEYS_SHOWN ? ` and ${String(problems.length - KEYS_SHOWN)} more` : "";
    await raise(ports, db, {
      kind: DAMAGED_FINDING_KIND,
      subject: owner,
      severity: "critical",
      message: `${owner.replace(":", " ")} is damaged in storage: ${shown.join("; ")}${more}.`,
      remedy: owner.startsWith("backup:") ? "Do not rely on this backup; take a new full." : "Instants behind this piece of log cannot be reached from backups before it; take a new full.",
    });
  }
  for (const owner of new Set(order.objects.map((object) => object.owner))) {
    if (!byOwner.has(owner)) await clear(ports, db, { kind: DAMAGED_FINDING_KIND, subject: owner });
  }
}
