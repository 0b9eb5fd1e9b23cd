import { formatBytes, formatDuration } from "../lib/units.ts";
import type { Backup } from "../model/backup.ts";
import { type Column, table } from "./text.ts";

/** A backup is also proven by the verification of one that builds on it: that restored its bytes too. */
function verificationWord(backup: Backup, provenByChild: ReadonlySet<string>): string {
  if (backup.verification !== null) return `${backup.verification.tier} ${backup.verification.status}`;
  return provenByChild.has(backup.backupId) ? "in its chain" : "not yet";
}

/** Ids of backups below one that passed its verification. */
function provenByChild(backups: readonly Backup[]): Set<string> {
  const parents = new Map(backups.map((backup) => [backup.backupId, backup.parentId]));
  const proven = new Set<string>();
  for (const backup of backups) {
    if (backup.verification?.status !== "passed") continue;
    for (let id = backup.parentId; id !== null && !proven.has(id); id = parents.get(id) ?? null) proven.add(id);
  }
  return proven;
}

const COLUMNS: readonly Column[] = [
  { title: "backup" },
  { title: "instance", shrink: true },
  { title: "kind" },
  { title: "ended (utc)" },
  { title: "read", align: "right", spare: 2 },
  { title: "stored", align: "right", spare: 1 },
  { title: "took", align: "right", spare: 3 },
  { title: "verified" },
  { title: "held" },
];

export function backupTable(backups: readonly Backup[], width: number): string {
  if (backups.length === 0) return "No backups yet. Take one with `holdfast backup run <instance>`.";
  const proven = provenByChild(backups);
  const hasResealed = backups.some(({ resealedFrom }) => resealedFrom !== undefined);
  return table(
    hasResealed ? [...COLUMNS, { title: "resealed from", spare: 4 }] : COLUMNS,
    backups.map((backup) => [
      backup.backupId,
      backup.instanceName,
      backup.resealedFrom === undefined ? backup.kind : `${backup.kind}, resealed`,
      backup.endedAt.slice(0, 16).replace("T", " "),
      formatBytes(backup.streamBytes),
      formatBytes(backup.storedBytes),
      formatDuration(Date.parse(backup.endedAt) - Date.parse(backup.startedAt)),
      verificationWord(backup, proven),
      backup.holds.length === 0 ? "" : "yes",
      ...(hasResealed ? [backup.resealedFrom ?? ""] : []),
    ]),
    width,
  );
}
