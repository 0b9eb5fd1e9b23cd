import { getBackup, getManifest, getStoredManifest, listBackups } from "../catalog/backups.ts";
import { listKeptDocuments } from "../catalog/kept-documents.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { getPiece, piecesOfRepository } from "../catalog/segments.ts";
import { reportDocuments } from "../catalog/verifications.ts";
import type { ExpectedObject } from "../model/check.ts";
import { backupPrefix, manifestKey, REPOSITORY_MARK_KEY, segmentKey, verificationKey } from "../model/manifest.ts";
import { documentFacts } from "./stored-document.ts";

const PAGE = 500;

export const backupOwner = (backupId: string): string => `backup:${backupId}`;
export const segmentOwner = (segmentId: string): string => `segment:${segmentId}`;
/** The id of the piece of log that an object belongs to; null when it belongs to something else. */
export const segmentOfOwner = (owner: string): string | null => (owner.startsWith(segmentOwner("")) ? owner.slice(segmentOwner("").length) : null);
/** The mark has the same key in every repository. */
export const documentOwner = (repository: string, key: string): string => (key === REPOSITORY_MARK_KEY ? `repository:${repository}` : `document:${key}`);

/** Every object that must lie in a repository: backups, log, and the signed documents beside them and under `_control/`. */
export async function expectedObjects(db: CatalogDb, repository: string): Promise<ExpectedObject[]> {
  return [...(await backupObjects(db, repository)), ...(await pieceObjects(db, repository)), ...(await documentObjects(db, repository))];
}

/** False once the catalog has given up what an object belonged to: a tail that was merged may be deleted at any time. */
export async function isStillExpected(db: CatalogDb, owner: string): Promise<boolean> {
  const [noun, id = ""] = owner.split(":");
  if (noun === "segment") return (await getPiece(db, id)) !== null;
  return noun !== "backup" || (await getBackup(db, id)) !== null;
}

async function backupObjects(db: CatalogDb, repository: string): Promise<ExpectedObject[]> {
  const objects: ExpectedObject[] = [];
  for (let before: string | undefined; ; ) {
    const page = await listBackups(db, { repository, limit: PAGE, ...(before === undefined ? {} : { before }) });
    for (const { backupId, instanceId } of page) {
      const manifest = await getManifest(db, backupId);
      const prefix = backupPrefix(instanceId, backupId);
      const owner = backupOwner(backupId);
      for (const { name, sizeBytes, sha256 } of [...manifest.packs, manifest.index]) objects.push({ key: `${prefix}${name}`, sizeBytes, sha256, owner });
      objects.push({ key: manifestKey(instanceId, backupId), ...(await getStoredManifest(db, backupId)), owner });
    }
    before = page.at(-1)?.backupId;
    if (page.length < PAGE) return objects;
  }
}

async function pieceObjects(db: CatalogDb, repository: string): Promise<ExpectedObject[]> {
  const objects: ExpectedObject[] = [];
  for (let after = ""; ; ) {
    const page = await piecesOfRepository(db, repository, { after, limit: PAGE });
    for (const { prefix, segment, document } of page) {
      const owner = segmentOwner(segment.segmentId);
      for (const { name, sizeBytes, sha256 } of [segment.object, segment.index]) objects.push({ key: `${prefix}${name}`, sizeBytes, sha256, owner });
      objects.push({ key: segmentKey(segment.instanceId, segment.timeline, segment.segmentId), ...document, owner });
    }
    after = page.at(-1)?.segment.segmentId ?? after;
    if (page.length < PAGE) return objects;
  }
}

async function documentObjects(db: CatalogDb, repository: string): Promise<ExpectedObject[]> {
  const reports = (await reportDocuments(db, repository)).map(({ id, document }) => ({ key: verificationKey(id), ...documentFacts(document) }));
  const reported = new Set(reports.map(({ key }) => key));
  const kept = (await listKeptDocuments(db, repository)).filter(({ key }) => !reported.has(key));
  return [...reports, ...kept].map((document) => ({ ...document, owner: documentOwner(repository, document.key) }));
}
