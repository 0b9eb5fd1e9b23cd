import type { CatalogDb } from "./schema.ts";

/** One unbroken lineage of an instance's log. */
export interface Timeline {
  readonly id: string;
  readonly instanceId: string;
  /** Null until a backup or a piece of log told it. */
  readonly dataIdentity: string | null;
  readonly createdAt: string;
}

/** The newest timeline of an instance; null before its first order was made. */
export async function currentTimeline(db: CatalogDb, instanceId: string): Promise<Timeline | null> {
  const row = await db.selectFrom("timeline").selectAll().where("instanceId", "=", instanceId).orderBy("id", "desc").limit(1).executeTakeFirst();
  return row ?? null;
}

export async function getTimeline(db: CatalogDb, id: string): Promise<Timeline | null> {
  return (await db.selectFrom("timeline").selectAll().where("id", "=", id).executeTakeFirst()) ?? null;
}

/** All timelines of an instance, oldest first. */
export async function listTimelines(db: CatalogDb, instanceId: string): Promise<Timeline[]> {
  return db.selectFrom("timeline").selectAll().where("instanceId", "=", instanceId).orderBy("id").execute();
}

/** Does nothing when it is there. */
export async function insertTimeline(db: CatalogDb, timeline: Timeline): Promise<void> {
  await db
    .insertInto("timeline")
    .values(timeline)
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute();
}

/** Records what data a timeline is of; only the first word counts. */
export async function setTimelineIdentity(db: CatalogDb, id: string, dataIdentity: string): Promise<void> {
  await db.updateTable("timeline").set({ dataIdentity }).where("id", "=", id).where("dataIdentity", "is", null).execute();
}
