import { getManifest, listBackups } from "../../catalog/backups.ts";
import { reportsOfBackup } from "../../catalog/verifications.ts";
import { placeHold, releaseHolds } from "../../control/holds.ts";
import { requireInstance } from "../../control/instances-view.ts";
import { backupsOfInstance } from "../../control/plan-restore.ts";
import { requestReseal } from "../../control/request-reseal.ts";
import { requestBackup, requestVerification, requireBackup, requireCurrent } from "../../control/requests.ts";
import { isHoldfastError } from "../../lib/errors.ts";
import { api } from "../../model/api/index.ts";
import type { Backup } from "../../model/backup.ts";
import { chainOf } from "../../model/chain.ts";
import { nameOf } from "../caller.ts";
import { implement } from "../implement.ts";
import { readPage } from "../page.ts";

const { backups } = api;

export const backupRoutes = [
  implement(backups.list, async ({ instance: name, ...page }, { dispatcher }) => {
    const { db } = dispatcher.ports.catalog;
    const of = name === undefined ? {} : { instanceId: (await requireInstance(db, name)).id };
    const { entries, next } = await readPage(backups.list, page, { read: ({ after, limit }) => listBackups(db, { ...of, before: after, limit }), keyOf: ({ backupId }) => backupId });
    return { backups: entries, next };
  }),
  implement(backups.show, async ({ backupId }, { dispatcher }) => {
    const { db } = dispatcher.ports.catalog;
    const backup = await requireBackup(db, backupId);
    const chain = shownChain(await backupsOfInstance(db, backup.instanceId), backup);
    return { backup, manifest: await getManifest(db, backupId), chain, reports: await reportsOfBackup(db, backupId) };
  }),
  implement(backups.run, async ({ instance: name, kind }, { dispatcher: { ports } }) => ({ job: await requestBackup(ports, await requireCurrent(ports.catalog.db, name), kind) })),
  implement(backups.verify, async ({ backupId, tier }, { dispatcher }) => ({ job: await requestVerification(dispatcher, backupId, tier) })),
  implement(backups.reseal, ({ backupId }, { dispatcher: { ports } }) => requestReseal(ports, backupId)),
  implement(backups.hold, async ({ backupId, reason, by }, { dispatcher: { ports } }, { caller }) => {
    await requireBackup(ports.catalog.db, backupId);
    return { backup: await placeHold(ports, { backupId, reason, by: nameOf(caller, by) }) };
  }),
  implement(backups.release, async ({ backupId, by }, { dispatcher: { ports } }, { caller }) => {
    await requireBackup(ports.catalog.db, backupId);
    return { backup: await releaseHolds(ports, { backupId, by: nameOf(caller, by) }) };
  }),
];

/** A broken chain can still be looked at: as far as it is known, with the backup alone. */
function shownChain(all: readonly Backup[], backup: Backup): Backup[] {
  try {
    return chainOf(all, backup.backupId);
  } catch (error) {
    if (isHoldfastError(error, "CHAIN_BROKEN")) return [backup];
    throw error;
  }
}
