import type { Backup } from "./backup.ts";
import type { LogSegment } from "./manifest.ts";

/** What is known to be damaged in storage: `backup:<id>` or `segment:<id>` → a sentence that names the objects. */
export type Damage = ReadonlyMap<string, string>;

export const NO_DAMAGE: Damage = new Map();

export function isDamagedBackup(damage: Damage, { backupId }: Pick<Backup, "backupId">): boolean {
  return damage.has(`backup:${backupId}`);
}

export function isDamagedSegment(damage: Damage, { segmentId }: Pick<LogSegment, "segmentId">): boolean {
  return damage.has(`segment:${segmentId}`);
}
