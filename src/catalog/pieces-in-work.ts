import type { CatalogDb } from "./schema.ts";

/** A piece whose signed document is decided and will be stored, however often the server is killed on the way. */
export interface PendingPiece {
  readonly id: string;
  readonly attemptId: string;
  readonly repository: string;
  readonly document: string;
  readonly createdAt: string;
}

export interface LogGrant {
  readonly key: string;
  readonly repository: string;
  readonly attemptId: string;
  readonly segmentId: string;
  readonly expiresAtMs: number;
}

/** Does nothing when a document was decided before: the first one counts. */
export async function insertPendingPiece(db: CatalogDb, piece: PendingPiece): Promise<void> {
  await db
    .insertInto("pendingPiece")
    .values(piece)
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute();
}

export async function getPendingPiece(db: CatalogDb, id: string): Promise<PendingPiece | null> {
  return (await db.selectFrom("pendingPiece").selectAll().where("id", "=", id).executeTakeFirst()) ?? null;
}

export async function listPendingPieces(db: CatalogDb): Promise<PendingPiece[]> {
  return db.selectFrom("pendingPiece").selectAll().orderBy("id").execute();
}

export async function deletePendingPiece(db: CatalogDb, id: string): Promise<void> {
  await db.deleteFrom("pendingPiece").where("id", "=", id).execute();
}

/** Remembers objects of log that an agent may write; asking again renews the expiry. */
export async function putLogGrants(db: CatalogDb, grants: readonly LogGrant[]): Promise<void> {
  for (const grant of grants) {
    await db
      .insertInto("logGrant")
      .values(grant)
      .onConflict((conflict) => conflict.column("key").doUpdateSet({ expiresAtMs: grant.expiresAtMs }))
      .execute();
  }
}

export async function deleteLogGrants(db: CatalogDb, segmentIds: readonly string[]): Promise<void> {
  if (segmentIds.length > 0) await db.deleteFrom("logGrant").where("segmentId", "in", segmentIds).execute();
}

export async function deleteLogGrant(db: CatalogDb, key: string): Promise<void> {
  await db.deleteFrom("logGrant").where("key", "=", key).execute();
}

/** How many objects of a piece may still be committed: 0 once the sweep has given them up. */
export async function countLogGrants(db: CatalogDb, segmentId: string): Promise<number> {
  const row = await db.selectFrom("logGrant").select((eb) => eb.fn.countAll<number>().as("count")).where("segmentId", "=", segmentId).executeTakeFirst();
  return row?.count ?? 0;
}

/** Objects granted and never committed, whose grant expired before `nowMs`. */
export async function expiredLogGrants(db: CatalogDb, nowMs: number): Promise<LogGrant[]> {
  return db.selectFrom("logGrant").selectAll().where("expiresAtMs", "<", nowMs).orderBy("key").limit(1_000).execute();
}

export interface DoomedObject {
  readonly key: string;
  readonly repository: string;
  readonly rank: number;
  /** Not deleted before; at once without it. */
  readonly notBeforeMs?: number;
  readonly replacedBy?: string | null;
  readonly replacedByAttempt?: string | null;
  readonly keptBecause?: string | null;
}

/** Gives objects up: they are deleted from storage after the transaction, lowest rank first. */
export async function doomObjects(db: CatalogDb, objects: readonly DoomedObject[]): Promise<void> {
  for (const object of objects) {
    await db
      .insertInto("doomedObject")
      .values({ replacedBy: null, replacedByAttempt: null, keptBecause: null, ...object })
      .onConflict((conflict) => conflict.column("key").doNothing())
      .execute();
  }
}

/** Those that may go at `nowMs`; the ones that wait for their time or the end of a lock, or are kept, are left out. */
export async function doomedObjects(db: CatalogDb, { nowMs, limit }: { nowMs: number; limit: number }): Promise<{ key: string; repository: string; rank: number }[]> {
  return db.selectFrom("doomedObject").select(["key", "repository", "rank"]).where("notBeforeMs", "<=", nowMs).where("keptBecause", "is", null).orderBy("rank").orderBy("key").limit(limit).execute();
}

/** Lets every object wait whose key begins with `stem` and a dot: what belongs together goes together. */
export async function postponeDoomedObjects(db: CatalogDb, stem: string, notBeforeMs: number): Promise<void> {
  // A slash is what follows a dot.
  await db.updateTable("doomedObject").set({ notBeforeMs }).where("key", ">=", `${stem}.`).where("key", "<", `${stem}/`).execute();
}

export async function forgetDoomedObjects(db: CatalogDb, keys: readonly string[]): Promise<void> {
  if (keys.length > 0) await db.deleteFrom("doomedObject").where("key", "in", keys).execute();
}

/** Keys of log objects that were granted and belong to no committed piece yet. */
export async function grantedKeys(db: CatalogDb, repository: string): Promise<string[]> {
  return (await db.selectFrom("logGrant").select("key").where("repository", "=", repository).execute()).map(({ key }) => key);
}

/** Keys of objects that were given up and are still to be deleted. */
export async function doomedKeys(db: CatalogDb, repository: string): Promise<string[]> {
  return (await db.selectFrom("doomedObject").select("key").where("repository", "=", repository).execute()).map(({ key }) => key);
}
