import type { CatalogDb } from "./schema.ts";
import { readTrusted } from "./json-column.ts";

export interface RepositoryRow {
  readonly name: string;
  readonly kind: string;
  /** In the storage driver's form. */
  readonly options: unknown;
  /** From `holdfast.json`; null until it was opened for the first time. */
  readonly repositoryId: string | null;
}

function repositoryOf(row: { name: string; kind: string; options: string; repositoryId: string | null }): RepositoryRow {
  return { ...row, options: readTrusted(row.options, `repository ${row.name}`) };
}

export async function getRepository(db: CatalogDb, name: string): Promise<RepositoryRow | null> {
  const row = await db.selectFrom("repository").selectAll().where("name", "=", name).executeTakeFirst();
  return row === undefined ? null : repositoryOf(row);
}

export async function listRepositories(db: CatalogDb): Promise<RepositoryRow[]> {
  return (await db.selectFrom("repository").selectAll().orderBy("name").execute()).map(repositoryOf);
}

/** Adds a repository or replaces its kind and options; its id stays. */
export async function putRepository(db: CatalogDb, repository: { name: string; kind: string; options: unknown }): Promise<void> {
  const { name, kind } = repository;
  const options = JSON.stringify(repository.options);
  await db
    .insertInto("repository")
    .values({ name, kind, options, repositoryId: null })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ kind, options }))
    .execute();
}

export async function setRepositoryId(db: CatalogDb, name: string, repositoryId: string | null): Promise<void> {
  await db.updateTable("repository").set({ repositoryId }).where("name", "=", name).execute();
}

export async function deleteRepository(db: CatalogDb, name: string): Promise<void> {
  await db.deleteFrom("repository").where("name", "=", name).execute();
}
