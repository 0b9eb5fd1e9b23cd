import type { StoredDocument } from "./backups.ts";
import type { CatalogDb } from "./schema.ts";

/** A signed document that must lie in a repository. */
export type KeptDocument = StoredDocument & { readonly key: string };

/** Does nothing when this document is known. */
export async function insertKeptDocument(db: CatalogDb, repository: string, document: KeptDocument): Promise<void> {
  const { key, sizeBytes, sha256 } = document;
  await db
    .insertInto("keptDocument")
    .values({ id: `${repository} ${key}`, repository, key, sizeBytes, sha256 })
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute();
}

export async function listKeptDocuments(db: CatalogDb, repository: string): Promise<KeptDocument[]> {
  return db.selectFrom("keptDocument").select(["key", "sizeBytes", "sha256"]).where("repository", "=", repository).orderBy("key").execute();
}
