import type { CatalogDb } from "./schema.ts";

/** An object of a tail that a segment has replaced and that is still stored. */
export interface ReplacedObject {
  readonly key: string;
  readonly repository: string;
  readonly rank: number;
  readonly replacedByAttempt: string | null;
}

/**
 * Keeps what these segments have replaced until somebody has looked into it, and says why. What may be deleted already
 * is left out: its deletion may be under way.
 */
export async function keepReplaced(db: CatalogDb, segmentIds: readonly string[], { nowMs, why }: { nowMs: number; why: string }): Promise<void> {
  for (const segmentId of segmentIds) {
    await db.updateTable("doomedObject").set({ keptBecause: why }).where("replacedBy", "=", segmentId).where("keptBecause", "is", null).where("notBeforeMs", ">", nowMs).execute();
  }
}

/** Lets what these segments have replaced stay until `untilMs` at least. */
export async function postponeReplaced(db: CatalogDb, segmentIds: readonly string[], { nowMs, untilMs }: { nowMs: number; untilMs: number }): Promise<void> {
  for (const segmentId of segmentIds) {
    await db.updateTable("doomedObject").set({ notBeforeMs: untilMs }).where("replacedBy", "=", segmentId).where("notBeforeMs", ">", nowMs).where("notBeforeMs", "<", untilMs).execute();
  }
}

/** Lets all that segments have replaced stay until `untilMs` at least; for a catalog in which nothing was deleted for a while. */
export async function postponeAllReplaced(db: CatalogDb, untilMs: number): Promise<void> {
  await db.updateTable("doomedObject").set({ notBeforeMs: untilMs }).where("replacedBy", "is not", null).where("notBeforeMs", "<", untilMs).execute();
}

/** Segments whose tails are kept because something is wrong with the segment, and what that is. */
export async function doubtedSegments(db: CatalogDb): Promise<{ segmentId: string; why: string }[]> {
  const rows = await db.selectFrom("doomedObject").select(["replacedBy", "keptBecause"]).distinct().where("replacedBy", "is not", null).where("keptBecause", "is not", null).orderBy("replacedBy").execute();
  return rows.map(({ replacedBy, keptBecause }) => ({ segmentId: replacedBy ?? "", why: keptBecause ?? "" }));
}

/** Segments that have replaced tails which are still stored, and which nobody doubts. */
export async function replacingSegments(db: CatalogDb): Promise<string[]> {
  const rows = await db.selectFrom("doomedObject").select("replacedBy").distinct().where("replacedBy", "is not", null).where("keptBecause", "is", null).orderBy("replacedBy").execute();
  return rows.map(({ replacedBy }) => replacedBy ?? "");
}

/** Objects that are kept of what a segment has replaced, signed documents (rank 0) first. */
export async function keptOf(db: CatalogDb, segmentId: string): Promise<ReplacedObject[]> {
  return db.selectFrom("doomedObject").select(["key", "repository", "rank", "replacedByAttempt"]).where("replacedBy", "=", segmentId).where("keptBecause", "is not", null).orderBy("rank").orderBy("key").execute();
}

/** True while objects of tails that a segment has replaced are there. */
export async function isReplacing(db: CatalogDb, segmentId: string): Promise<boolean> {
  return (await db.selectFrom("doomedObject").select("key").where("replacedBy", "=", segmentId).limit(1).executeTakeFirst()) !== undefined;
}

/** Lets go again at its time what a segment has replaced. */
export async function releaseReplaced(db: CatalogDb, segmentId: string): Promise<void> {
  await db.updateTable("doomedObject").set({ keptBecause: null }).where("replacedBy", "=", segmentId).execute();
}
