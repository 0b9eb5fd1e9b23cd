import { findBackup } from "../catalog/backups.ts";
import { holdsOfBackups, insertHold, releaseHold } from "../catalog/holds.ts";
import { isoTime } from "../lib/clock.ts";
import type { Backup } from "../model/backup.ts";
import { HOLD_KIND, HOLD_RELEASE_KIND, type HoldDocument, holdReleaseKey, type HoldReleaseDocument } from "../model/hold.ts";
import { holdKey } from "../model/manifest.ts";
import { freeObjects, holdObjects } from "./legal-hold.ts";
import { repositoryIdOf } from "./open-repository.ts";
import type { ControlPorts } from "./ports.ts";
import { keepDocument } from "./stored-document.ts";

/**
 * Keeps a backup until the hold is released. The store's own hold comes first, then the signed document: a hold survives the
 * catalog, and one that was cut short has held too much rather than too little.
 */
export async function placeHold(ports: ControlPorts, request: { backupId: string; reason: string; by: string }): Promise<Backup> {
  const backup = await findBackup(ports.catalog.db, request.backupId);
  const repositoryId = await repositoryIdOf(ports, backup.repository);
  const { reason, by } = request;
  await holdObjects(ports, backup);
  const document: HoldDocument = { formatVersion: 1, repositoryId, backupId: backup.backupId, holdId: ports.newId(), reason, by, at: isoTime(ports.clock.nowMs()) };
  await keepDocument(ports, backup.repository, { key: holdKey(document.holdId), text: JSON.stringify(ports.signer.sign(HOLD_KIND, document)) });
  const { holdId, at, backupId } = document;
  await insertHold(ports.catalog.db, { holdId, backupId, reason, by, at, releasedAt: null, releasedBy: null });
  return findBackup(ports.catalog.db, backupId);
}

/** Releases all holds of a backup; each release is a signed document of its own. The store's own hold is lifted last, also when only that was left. */
export async function releaseHolds(ports: ControlPorts, request: { backupId: string; by: string }): Promise<Backup> {
  const { db } = ports.catalog;
  const backup = await findBackup(db, request.backupId);
  const repositoryId = await repositoryIdOf(ports, backup.repository);
  const at = isoTime(ports.clock.nowMs());
  for (const { holdId } of (await holdsOfBackups(db, [backup.backupId])).get(backup.backupId) ?? []) {
    const document: HoldReleaseDocument = { formatVersion: 1, repositoryId, holdId, by: request.by, at };
    await keepDocument(ports, backup.repository, { key: holdReleaseKey(holdId), text: JSON.stringify(ports.signer.sign(HOLD_RELEASE_KIND, document)) });
    await releaseHold(db, holdId, request.by, at);
  }
  await freeObjects(ports, backup);
  return findBackup(db, backup.backupId);
}
