import type { Hold } from "../model/backup.ts";
import type { HoldRecord } from "../model/hold.ts";
import type { CatalogDb } from "./schema.ts";


/** Does nothing when a hold of this id is there. */
export async function insertHold(db: CatalogDb, hold: HoldRecord): Promise<void> {
  const { holdId, ...rest } = hold;
  await db
    .insertInto("hold")
    .values({ id: holdId, ...rest })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute();
}

export async function releaseHold(db: CatalogDb, holdId: string, by: string, at: string): Promise<void> {
  await db.updateTable("hold").set({ releasedAt: at, releasedBy: by }).where("id", "=", holdId).where("releasedAt", "is", null).execute();
}

/** Holds in force, oldest first, by backup. */
export async function holdsOfBackups(db: CatalogDb, backupIds: readonly string[]): Promise<Map<string, Hold[]>> {
  const found = new Map<string, Hold[]>();
  if (backupIds.length === 0) return found;
  const rows = await db.selectFrom("hold").selectAll().where("backupId", "in", backupIds).where("releasedAt", "is", null).orderBy("id").execute();
  for (const { id, backupId, reason, by, at } of rows) found.set(backupId, [...(found.get(backupId) ?? []), { holdId: id, reason, by, at }]);
  return found;
}

/** Every hold that ever was, oldest first. */
export async function listHolds(db: CatalogDb): Promise<HoldRecord[]> {
  const rows = await db.selectFrom("hold").selectAll().orderBy("id").execute();
  return rows.map(({ id, ...rest }) => ({ holdId: id, ...rest }));
}
