import { findBackup, getBackupRef } from "../catalog/backups.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import type { Backup } from "../model/backup.ts";
import { manifestKey } from "../model/manifest.ts";

/** A backup and all that it builds on, itself first, its full last. NOT_FOUND names a link that is missing. */
export async function chainOf(db: CatalogDb, backupId: string): Promise<Backup[]> {
  const links: Backup[] = [];
  for (let next: string | null = backupId; next !== null; next = links.at(-1)?.parentId ?? null) links.push(await findBackup(db, next));
  return links;
}

/** Keys of what a committed backup consists of: packs and index, and the manifest last. */
export async function objectKeys(db: CatalogDb, { instanceId, backupId }: Pick<Backup, "instanceId" | "backupId">): Promise<string[]> {
  const { prefix, packs, index } = await getBackupRef(db, backupId);
  return [...[...packs, index].map(({ name }) => `${prefix}${name}`), manifestKey(instanceId, backupId)];
}
