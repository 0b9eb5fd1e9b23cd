import { type ProbeReport, probeReportSchema } from "../model/instance.ts";
import { readJson } from "./json-column.ts";
import type { CatalogDb } from "./schema.ts";

/** The last probe of an instance; null while there was none. */
export async function getProbe(db: CatalogDb, instanceId: string): Promise<ProbeReport | null> {
  const row = await db.selectFrom("probe").select("report").where("instanceId", "=", instanceId).executeTakeFirst();
  return row === undefined ? null : readJson(probeReportSchema, row.report, "probe.report");
}

export async function putProbe(db: CatalogDb, instanceId: string, report: ProbeReport): Promise<void> {
  const row = { at: report.at, report: JSON.stringify(report) };
  await db
    .insertInto("probe")
    .values({ instanceId, ...row })
    .onConflict((conflict) => conflict.column("instanceId").doUpdateSet(row))
    .execute();
}
