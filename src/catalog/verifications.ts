import { z } from "zod";
import { type TableCount, tableCountSchema } from "../model/backup-index.ts";
import { type Backup, backupSchema } from "../model/backup.ts";
import { type VerificationReport, verificationReportSchema } from "../model/verification.ts";
import { readJson } from "./json-column.ts";
import type { CatalogDb } from "./schema.ts";

const signedReportSchema = z.object({ body: verificationReportSchema });
const briefSchema = backupSchema.shape.verification.unwrap();

export interface NewVerification {
  readonly report: VerificationReport;
  /** The signed document as it is stored. */
  readonly document: string;
  /** Row counts found; null when nothing was counted. */
  readonly counts: readonly TableCount[] | null;
}

/** Does nothing when a verification of this id is there. */
export async function insertVerification(db: CatalogDb, { report, document, counts }: NewVerification): Promise<void> {
  await db
    .insertInto("verification")
    .values({
      id: report.verificationId,
      backupId: report.backupId,
      instanceId: report.instance.id,
      tier: report.tier,
      status: report.status,
      at: report.endedAt,
      restoreMs: Math.round(report.restoreMs),
      document,
      counts: counts === null ? null : JSON.stringify(counts),
    })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute();
}

/** Reports about one backup, newest first. */
export async function reportsOfBackup(db: CatalogDb, backupId: string): Promise<VerificationReport[]> {
  const rows = await db.selectFrom("verification").select("document").where("backupId", "=", backupId).orderBy("id", "desc").execute();
  return rows.map((row) => readJson(signedReportSchema, row.document, "verification.document").body);
}

/** Every report, oldest first. */
export async function listReports(db: CatalogDb): Promise<VerificationReport[]> {
  const rows = await db.selectFrom("verification").select("document").orderBy("id").execute();
  return rows.map((row) => readJson(signedReportSchema, row.document, "verification.document").body);
}

/** The newest passed reports of an instance, newest first: measured history for expected times. */
export async function passedReportsOfInstance(db: CatalogDb, instanceId: string, limit: number): Promise<VerificationReport[]> {
  const rows = await db
    .selectFrom("verification")
    .select("document")
    .where("instanceId", "=", instanceId)
    .where("status", "=", "passed")
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
  return rows.map((row) => readJson(signedReportSchema, row.document, "verification.document").body);
}

/** Row counts of the newest passed verification of an instance that counted; empty when there is none. */
export async function lastVerifiedCounts(db: CatalogDb, instanceId: string): Promise<TableCount[]> {
  const row = await db
    .selectFrom("verification")
    .select("counts")
    .where("instanceId", "=", instanceId)
    .where("status", "=", "passed")
    .where("counts", "is not", null)
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.counts == null ? [] : readJson(z.array(tableCountSchema), row.counts, "verification.counts");
}

/** The newest verification of each backup. */
export async function newestVerifications(db: CatalogDb, backupIds: readonly string[]): Promise<Map<string, NonNullable<Backup["verification"]>>> {
  if (backupIds.length === 0) return new Map();
  const newest = db.selectFrom("verification").select((eb) => eb.fn.max("id").as("id")).where("backupId", "in", backupIds).groupBy("backupId");
  const rows = await db.selectFrom("verification").select(["id", "backupId", "tier", "status", "at"]).where("id", "in", newest).execute();
  return new Map(rows.map(({ id, backupId, ...rest }) => [backupId, briefSchema.parse({ verificationId: id, ...rest })]));
}

/** When the newest passed verification of an instance ended; null when there was none. */
export async function lastVerifiedAt(db: CatalogDb, instanceId: string): Promise<string | null> {
  const row = await db
    .selectFrom("verification")
    .select("at")
    .where("instanceId", "=", instanceId)
    .where("status", "=", "passed")
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.at ?? null;
}

/** The signed reports as they are stored in a repository: those of its backups. */
export async function reportDocuments(db: CatalogDb, repository: string): Promise<{ id: string; document: string }[]> {
  return db
    .selectFrom("verification")
    .innerJoin("backup", "backup.id", "verification.backupId")
    .select(["verification.id", "verification.document"])
    .where("backup.repository", "=", repository)
    .orderBy("verification.id")
    .execute();
}

/** The signed report as it was stored; null when there is none of this id. */
export async function reportDocument(db: CatalogDb, verificationId: string): Promise<string | null> {
  const row = await db.selectFrom("verification").select("document").where("id", "=", verificationId).executeTakeFirst();
  return row?.document ?? null;
}
