import type { Selectable } from "kysely";
import { type CheckFinding, checkFindingSchema, type Extent, type ReadObject } from "../model/check.ts";
import type { CatalogDb, CatalogSchema } from "./schema.ts";

export type ObjectCheck = Selectable<CatalogSchema["objectCheck"]>;

const idOf = (repository: string, key: string): string => `${repository} ${key}`;
/** Statements take a bounded number of values. */
const AT_ONCE = 500;

/** Everything that checks know of the objects of a repository, by key. */
export async function objectChecks(db: CatalogDb, repository: string): Promise<Map<string, Pick<ObjectCheck, "owner" | "lastCheckId" | "problem" | "foundSha256">>> {
  const rows = await db.selectFrom("objectCheck").select(["key", "owner", "lastCheckId", "problem", "foundSha256"]).where("repository", "=", repository).execute();
  return new Map(rows.map(({ key, ...row }) => [key, row]));
}

/** Keeps that a check has read an object, and what it found. */
export async function putReadObject(db: CatalogDb, read: { repository: string; checkId: string; at: string; object: ReadObject }): Promise<void> {
  const { repository, checkId, at, object } = read;
  const learnt = {
    owner: object.owner,
    lastCheckId: checkId,
    readAt: at,
    readBytes: object.readBytes,
    problem: object.found?.problem ?? null,
    detail: object.found?.detail ?? null,
    foundSha256: object.found?.sha256 ?? null,
  };
  await db
    .insertInto("objectCheck")
    .values({ id: idOf(repository, object.key), repository, key: object.key, ...learnt })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(learnt))
    .execute();
}

/** Keeps what was seen of an object without reading it; null takes it back. */
export async function putSeenProblem(db: CatalogDb, repository: string, seen: { key: string; owner: string; found: Pick<CheckFinding, "problem" | "detail"> | null }): Promise<void> {
  const { key, owner, found } = seen;
  const learnt = { owner, problem: found?.problem ?? null, detail: found?.detail ?? null, foundSha256: null };
  await db
    .insertInto("objectCheck")
    .values({ id: idOf(repository, key), repository, key, lastCheckId: null, readAt: null, readBytes: 0, ...learnt })
    .onConflict((conflict) => conflict.column("id").doUpdateSet(learnt))
    .execute();
}

export type KnownDamage = CheckFinding & { foundSha256: string | null };

/** Everything of a repository that is known to be damaged, by key. */
export async function knownDamage(db: CatalogDb, repository: string): Promise<KnownDamage[]> {
  const rows = await db.selectFrom("objectCheck").select(["key", "owner", "problem", "detail", "foundSha256"]).where("repository", "=", repository).where("problem", "is not", null).orderBy("key").execute();
  return rows.map(({ foundSha256, ...row }) => ({ ...checkFindingSchema.parse(row), foundSha256 }));
}

/** How much a check has read so far. */
export async function readBy(db: CatalogDb, repository: string, checkId: string): Promise<Extent> {
  const row = await db
    .selectFrom("objectCheck")
    .select((eb) => [eb.fn.countAll<number>().as("objects"), eb.fn.sum<number | null>("readBytes").as("bytes")])
    .where("repository", "=", repository)
    .where("lastCheckId", "=", checkId)
    .executeTakeFirst();
  return { objects: row?.objects ?? 0, bytes: row?.bytes ?? 0 };
}

/** Forgets objects that are not to be stored any more. */
export async function forgetObjectChecks(db: CatalogDb, repository: string, keys: readonly string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const ids = keys.slice(at, at + AT_ONCE).map((key) => idOf(repository, key));
    await db.deleteFrom("objectCheck").where("id", "in", ids).execute();
  }
}
