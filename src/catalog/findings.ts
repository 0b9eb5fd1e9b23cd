import { type Finding, findingSchema } from "../model/verification.ts";
import { recordEvent } from "./events.ts";
import type { CatalogDb } from "./schema.ts";

const columns = ["id as findingId", "kind", "subject", "severity", "message", "remedy", "openedAt", "closedAt"] as const;

/** Opens a finding, or renews the words of the open one of the same kind and subject. True when it is new. */
export async function openFinding(db: CatalogDb, finding: Omit<Finding, "closedAt">): Promise<boolean> {
  const { findingId, kind, subject, severity, message, remedy, openedAt } = finding;
  const openKey = `${kind} ${subject}`;
  const renewed = await db.updateTable("finding").set({ severity, message, remedy }).where("openKey", "=", openKey).executeTakeFirst();
  if (renewed.numUpdatedRows > 0n) return false;
  await db.insertInto("finding").values({ id: findingId, kind, subject, openKey, severity, message, remedy, openedAt, closedAt: null }).execute();
  await recordEvent(db, "finding", findingId);
  return true;
}

/** Closes the open finding of this kind and subject, if there is one. True when there was. */
export async function closeFinding(db: CatalogDb, kind: string, subject: string, at: string): Promise<boolean> {
  const closed = await db
    .updateTable("finding")
    .set({ openKey: null, closedAt: at })
    .where("openKey", "=", `${kind} ${subject}`)
    .returning("id")
    .executeTakeFirst();
  if (closed !== undefined) await recordEvent(db, "finding", closed.id);
  return closed !== undefined;
}

/** Null when there is none. */
export async function findFinding(db: CatalogDb, findingId: string): Promise<Finding | null> {
  const row = await db.selectFrom("finding").select(columns).where("id", "=", findingId).executeTakeFirst();
  return row === undefined ? null : findingSchema.parse(row);
}

/** Open findings, or all; newest first, at most `limit`; `before` is the id of the last one already seen. */
export async function listFindings(db: CatalogDb, options: { all: boolean; limit?: number; before?: string | undefined }): Promise<Finding[]> {
  const { before } = options;
  const every = db
    .selectFrom("finding")
    .select(columns)
    .$if(before !== undefined, (query) => query.where("id", "<", before ?? ""))
    .orderBy("id", "desc")
    .limit(options.limit ?? 1_000);
  const rows = await (options.all ? every : every.where("openKey", "is not", null)).execute();
  return rows.map((row) => findingSchema.parse(row));
}

/** Open findings whose subject is one of these. */
export async function openFindingsOf(db: CatalogDb, subjects: readonly string[]): Promise<Finding[]> {
  if (subjects.length === 0) return [];
  const rows = await db.selectFrom("finding").select(columns).where("openKey", "is not", null).where("subject", "in", subjects).orderBy("id").execute();
  return rows.map((row) => findingSchema.parse(row));
}

/** Every open finding of one kind, the oldest first. */
export async function openFindingsOfKind(db: CatalogDb, kind: string): Promise<Finding[]> {
  const rows = await db.selectFrom("finding").select(columns).where("openKey", "is not", null).where("kind", "=", kind).orderBy("id").execute();
  return rows.map((row) => findingSchema.parse(row));
}
