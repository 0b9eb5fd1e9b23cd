import { backupsOfChain } from "../catalog/backups.ts";
import { holdsOfBackups } from "../catalog/holds.ts";
import { sideBySide } from "../lib/side-by-side.ts";
import type { Backup } from "../model/backup.ts";
import { chainOf, objectKeys } from "./chain-objects.ts";
import { type ControlPorts, storageOf } from "./ports.ts";

const AT_ONCE = 8;

/** Puts a backup and all that it builds on under the store's own legal hold, where it has one: nobody can delete them until it is lifted. */
export async function holdObjects(ports: ControlPorts, backup: Backup): Promise<void> {
  const { lock } = storageOf(ports, backup.repository);
  if (lock === undefined) return;
  await sideBySide(await keysOfChain(ports, backup.backupId), AT_ONCE, (key) => lock.hold(key, true));
}

/** Lifts the store's hold of what no backup that is still held needs. Doing it again is harmless. */
export async function freeObjects(ports: ControlPorts, backup: Backup): Promise<void> {
  const { lock } = storageOf(ports, backup.repository);
  if (lock === undefined) return;
  const { db } = ports.catalog;
  const chain = await backupsOfChain(db, backup.chainId);
  const stillHeld = await holdsOfBackups(db, chain.map(({ backupId }) => backupId));
  const needed = new Set<string>();
  for (const backupId of stillHeld.keys()) for (const key of await keysOfChain(ports, backupId)) needed.add(key);
  const free = (await keysOfChain(ports, backup.backupId)).filter((key) => !needed.has(key));
  await sideBySide(free, AT_ONCE, (key) => lock.hold(key, false));
}

async function keysOfChain(ports: ControlPorts, backupId: string): Promise<string[]> {
  const { db } = ports.catalog;
  const keys: string[] = [];
  for (const link of await chainOf(db, backupId)) keys.push(...(await objectKeys(db, link)));
  return keys;
}
