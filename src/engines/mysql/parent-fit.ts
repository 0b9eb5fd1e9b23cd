import { HoldfastError } from "../../lib/errors.ts";
import type { BackupOrder } from "../../model/job.ts";
import type { Checkpoints } from "./checkpoint-file.ts";
import { parseVersion, type Version } from "./versions.ts";

type Parent = NonNullable<BackupOrder["parent"]>;

/** What the server is at this moment. */
export interface PresentState {
  readonly dataIdentity: string;
  readonly version: Version;
  /** Null when the server does not tell it. */
  readonly currentLsn: bigint | null;
}

/**
 * Throws unless an incremental may be built on this parent. The tool itself notices nothing: with a wrong LSN it makes
 * a useless backup and says "completed OK!".
 */
export function requireParentFits(parent: Parent, now: PresentState): void {
  if (parent.dataIdentity !== now.dataIdentity) {
    throw new HoldfastError("LINEAGE_CHANGED", `The server's data (${now.dataIdentity}) is not the data that backup ${parent.backupId} was made of (${parent.dataIdentity}); it was restored, copied or made anew since.`);
  }
  const before = parseVersion(parent.serverVersion);
  if (parent.flavour !== now.version.flavour || before?.series !== now.version.series) {
    throw new HoldfastError("CHAIN_BROKEN", `Backup ${parent.backupId} was made of ${parent.flavour} ${parent.serverVersion}, and the server is ${now.version.flavour} ${now.version.text} now; a chain stays within one series.`);
  }
  if (now.currentLsn !== null && now.currentLsn < BigInt(parent.toLsn)) {
    throw new HoldfastError("LINEAGE_CHANGED", `The server is at LSN ${String(now.currentLsn)}, before the end of backup ${parent.backupId} at ${parent.toLsn}; its data was put back to an older state.`);
  }
}

/** Throws CHAIN_BROKEN unless what the tool made is what was ordered: a full, or an incremental that begins where its parent ends. */
export function requireOrdered(made: Checkpoints, kind: "full" | "incremental", parent: Parent | null): void {
  const wanted = kind === "full" ? "full-backuped" : "incremental";
  if (made.backupType !== wanted) throw new HoldfastError("CHAIN_BROKEN", `The tool made a backup of type "${made.backupType}" where "${wanted}" was ordered.`);
  const from = kind === "full" ? "0" : (parent?.toLsn ?? "unknown");
  if (String(made.fromLsn) !== from) throw new HoldfastError("CHAIN_BROKEN", `The backup begins at LSN ${String(made.fromLsn)}, and it had to begin at ${from}.`);
  if (made.toLsn < made.fromLsn) {
    throw new HoldfastError("LINEAGE_CHANGED", `The backup goes from LSN ${String(made.fromLsn)} back to ${String(made.toLsn)}: the server's data was put back to an older state.`);
  }
}

/** The parent of an order; CHAIN_BROKEN when an incremental names none. */
export function parentOf(order: Pick<BackupOrder, "backupKind" | "parent">): Parent | null {
  if (order.backupKind === "full") return null;
  if (order.parent === null) throw new HoldfastError("CHAIN_BROKEN", "An incremental backup was ordered without a parent to build on.");
  return order.parent;
}
