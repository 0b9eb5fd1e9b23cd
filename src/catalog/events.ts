import type { EventKind } from "../model/event.ts";
import type { CatalogDb } from "./schema.ts";

/** Notes that something has changed; within the transaction that changes it. */
export async function recordEvent(db: CatalogDb, kind: EventKind, subjectId: string): Promise<void> {
  await db.insertInto("event").values({ kind, subjectId }).execute();
}

/** In order, at most `limit`, of these kinds. */
export async function eventsAfter(db: CatalogDb, after: number, { kinds, limit }: { kinds: readonly EventKind[]; limit: number }): Promise<{ id: number; kind: EventKind; subjectId: string }[]> {
  const rows = await db.selectFrom("event").selectAll().where("id", ">", after).where("kind", "in", kinds).orderBy("id").limit(limit).execute();
  return rows.map(({ id, kind, subjectId }) => ({ id, kind: kind as EventKind, subjectId }));
}

/** Numbers of the oldest and newest event that are kept; 0 without any. */
export async function eventBounds(db: CatalogDb): Promise<{ oldest: number; newest: number }> {
  const row = await db
    .selectFrom("event")
    .select((eb) => [eb.fn.min<number | null>("id").as("oldest"), eb.fn.max<number | null>("id").as("newest")])
    .executeTakeFirst();
  return { oldest: row?.oldest ?? 0, newest: row?.newest ?? 0 };
}

/** 0 without any. */
export async function newestEvent(db: CatalogDb): Promise<number> {
  const row = await db.selectFrom("event").select((eb) => eb.fn.max<number | null>("id").as("newest")).executeTakeFirst();
  return row?.newest ?? 0;
}

/** Forgets all but the newest. */
export async function forgetEvents(db: CatalogDb, { keep }: { keep: number }): Promise<void> {
  await db.deleteFrom("event").where("id", "<=", (await newestEvent(db)) - keep).execute();
}
