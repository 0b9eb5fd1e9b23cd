import type { Selectable } from "kysely";
import { HoldfastError } from "../lib/errors.ts";
import { type Backup, type BackupRef, backupSchema } from "../model/backup.ts";
import { backupFactsSchema, backupPrefix, type Manifest, manifestSchema } from "../model/manifest.ts";
import { holdsOfBackups } from "./holds.ts";
import { readJson } from "./json-column.ts";
import type { CatalogDb, CatalogSchema } from "./schema.ts";
import { newestVerifications } from "./verifications.ts";

type BackupRow = Selectable<CatalogSchema["backup"]>;
type ListedRow = Omit<BackupRow, "manifest" | "manifestBytes" | "manifestSha256">;

/** Size and hash of a stored signed document. */
export interface StoredDocument {
  readonly sizeBytes: number;
  readonly sha256: string;
}

const listColumns = [
  "id", "instanceId", "instanceName", "policy", "jobId", "repository", "kind", "parentId", "chainId", "timeline", "scheduledAt",
  "startedAt", "endedAt", "committedAt", "streamBytes", "storedBytes", "packCount", "dataIdentity", "toLsn", "facts", "resealedFrom",
] as const; // prettier-ignore

/** The row of a manifest: everything in it follows from the stored document, so that a rebuilt catalog is the same. */
export function backupRow(manifest: Manifest, stored: { repository: string; document: StoredDocument }): BackupRow {
  const storedBytes = manifest.packs.reduce((sum, pack) => sum + pack.sizeBytes, manifest.index.sizeBytes);
  return {
    id: manifest.backupId,
    instanceId: manifest.instance.id,
    instanceName: manifest.instance.name,
    policy: manifest.policy,
    jobId: manifest.jobId,
    repository: stored.repository,
    kind: manifest.kind,
    parentId: manifest.parentId,
    chainId: manifest.chainId,
    timeline: manifest.timeline,
    scheduledAt: manifest.scheduledAt,
    startedAt: manifest.startedAt,
    endedAt: manifest.endedAt,
    // The server takes `endedAt` from its own clock in the moment it commits.
    committedAt: manifest.resealed?.at ?? manifest.endedAt,
    streamBytes: manifest.stream.sizeBytes,
    storedBytes,
    packCount: manifest.packs.length,
    dataIdentity: manifest.facts.dataIdentity,
    toLsn: manifest.facts.toLsn,
    facts: JSON.stringify(manifest.facts),
    manifest: JSON.stringify(manifest),
    manifestBytes: stored.document.sizeBytes,
    manifestSha256: stored.document.sha256,
    resealedFrom: manifest.resealed?.from ?? null,
  };
}

/** Does nothing when a backup of this id is there. */
export async function insertBackup(db: CatalogDb, row: BackupRow): Promise<void> {
  await db
    .insertInto("backup")
    .values(row)
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute();
}

async function backupsOf(db: CatalogDb, rows: readonly ListedRow[]): Promise<Backup[]> {
  const ids = rows.map((row) => row.id);
  const [holds, verifications] = await Promise.all([holdsOfBackups(db, ids), newestVerifications(db, ids)]);
  return rows.map(({ id, facts, resealedFrom, ...row }) =>
    // Unknown columns are dropped by the schema.
    backupSchema.parse({
      ...row,
      backupId: id,
      facts: readJson(backupFactsSchema, facts, "backup.facts"),
      resealedFrom: resealedFrom ?? undefined,
      holds: holds.get(id) ?? [],
      verification: verifications.get(id) ?? null,
    }),
  );
}

export async function getBackup(db: CatalogDb, backupId: string): Promise<Backup | null> {
  const rows = await db.selectFrom("backup").select(listColumns).where("id", "=", backupId).execute();
  return (await backupsOf(db, rows))[0] ?? null;
}

/** NOT_FOUND names what was asked for. */
export async function findBackup(db: CatalogDb, backupId: string): Promise<Backup> {
  const backup = await getBackup(db, backupId);
  if (backup !== null) return backup;
  throw new HoldfastError("NOT_FOUND", `There is no backup ${backupId}.`, { hint: "See `holdfast backup list`." });
}

/** Newest first; `before` is the id of the last one already seen. */
export async function listBackups(db: CatalogDb, filter: { instanceId?: string; repository?: string; before?: string | undefined; limit: number }): Promise<Backup[]> {
  const { instanceId, repository, before } = filter;
  const rows = await db
    .selectFrom("backup")
    .select(listColumns)
    .$if(instanceId !== undefined, (query) => query.where("instanceId", "=", instanceId ?? ""))
    .$if(repository !== undefined, (query) => query.where("repository", "=", repository ?? ""))
    .$if(before !== undefined, (query) => query.where("id", "<", before ?? ""))
    .orderBy("id", "desc")
    .limit(filter.limit)
    .execute();
  return backupsOf(db, rows);
}

/** Every backup of a chain in order: the full first. */
export async function backupsOfChain(db: CatalogDb, chainId: string): Promise<Backup[]> {
  return backupsOf(db, await db.selectFrom("backup").select(listColumns).where("chainId", "=", chainId).orderBy("id").execute());
}

/** The backup of an instance that was taken last, on one timeline and of one kind when they are named. What was resealed since is not newer for it. */
export async function newestBackup(db: CatalogDb, instanceId: string, filter: { timeline?: string; kind?: string } = {}): Promise<Backup | null> {
  const { timeline, kind } = filter;
  const rows = await db
    .selectFrom("backup")
    .select(listColumns)
    .where("instanceId", "=", instanceId)
    .where("resealedFrom", "is", null)
    .$if(timeline !== undefined, (query) => query.where("timeline", "=", timeline ?? ""))
    .$if(kind !== undefined, (query) => query.where("kind", "=", kind ?? ""))
    .orderBy("id", "desc")
    .limit(1)
    .execute();
  return (await backupsOf(db, rows))[0] ?? null;
}

export async function getManifest(db: CatalogDb, backupId: string): Promise<Manifest> {
  const row = await db.selectFrom("backup").select("manifest").where("id", "=", backupId).executeTakeFirst();
  if (row === undefined) throw new HoldfastError("NOT_FOUND", `There is no backup ${backupId}.`, { hint: "See `holdfast backup list`." });
  return readJson(manifestSchema, row.manifest, "backup.manifest");
}

/** The manifest as it is stored: size and hash of the signed document. */
export async function getStoredManifest(db: CatalogDb, backupId: string): Promise<StoredDocument> {
  const row = await db.selectFrom("backup").select(["manifestBytes", "manifestSha256"]).where("id", "=", backupId).executeTakeFirstOrThrow();
  return { sizeBytes: row.manifestBytes, sha256: row.manifestSha256 };
}

/** What a reader of a backup needs; orders and plans carry it. */
export async function getBackupRef(db: CatalogDb, backupId: string): Promise<BackupRef> {
  const row = await db.selectFrom("backup").select(["manifest", "repository"]).where("id", "=", backupId).executeTakeFirst();
  if (row === undefined) throw new HoldfastError("NOT_FOUND", `There is no backup ${backupId}.`, { hint: "See `holdfast backup list`." });
  const manifest = readJson(manifestSchema, row.manifest, "backup.manifest");
  return {
    backupId,
    kind: manifest.kind,
    parentId: manifest.parentId,
    repository: row.repository,
    prefix: backupPrefix(manifest.instance.id, backupId),
    streamFormat: manifest.stream.format,
    streamBytes: manifest.stream.sizeBytes,
    packs: manifest.packs,
    index: manifest.index,
    facts: manifest.facts,
  };
}

/** Backups that hold the bytes of one of these, resealed. */
export async function backupsResealedFrom(db: CatalogDb, backupIds: readonly string[]): Promise<Backup[]> {
  return backupsOf(db, await db.selectFrom("backup").select(listColumns).where("resealedFrom", "in", backupIds).orderBy("id").execute());
}

/** Number and stored bytes of the backups in a repository. */
export async function backupTotals(db: CatalogDb, by: { repository: string } | { instanceId: string }): Promise<{ count: number; storedBytes: number }> {
  const totals = db.selectFrom("backup").select((eb) => [eb.fn.countAll<number>().as("count"), eb.fn.sum<number | null>("storedBytes").as("storedBytes")]);
  const row = await ("repository" in by ? totals.where("repository", "=", by.repository) : totals.where("instanceId", "=", by.instanceId)).executeTakeFirst();
  return { count: row?.count ?? 0, storedBytes: row?.storedBytes ?? 0 };
}

/** Ids, manifests' hashes and repositories of all backups of a repository; for comparing with what is stored. */
export async function manifestHashes(db: CatalogDb, repository: string): Promise<{ id: string; instanceId: string; manifestSha256: string }[]> {
  return db.selectFrom("backup").select(["id", "instanceId", "manifestSha256"]).where("repository", "=", repository).orderBy("id").execute();
}
