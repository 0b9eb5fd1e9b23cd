import { HoldfastError } from "../../lib/errors.ts";
import { comparePositions, formatPosition } from "../../model/position.ts";
import type { Unpacked } from "../engine.ts";
import type { Checkpoints } from "./checkpoint-file.ts";

export interface ChainLink {
  readonly unpacked: Pick<Unpacked, "dir" | "kind" | "facts">;
  readonly checkpoints: Checkpoints;
}

/**
 * Throws CHAIN_BROKEN unless the links are one full that was never prepared and its incrementals in order. LSNs alone
 * do not tell two incrementals apart when no checkpoint came between them, so the ends of the copied redo and the
 * places in the log must rise as well. The tool applies a second time, or out of turn, without a word.
 */
export function requireChain(links: readonly ChainLink[]): void {
  const [full] = links;
  if (full === undefined) throw broken("A chain needs a full backup, and none was given.");
  requireRoot(full);
  for (const link of links) requireOwnFacts(link);
  const dirs = new Set(links.map((link) => link.unpacked.dir));
  if (dirs.size !== links.length) throw broken("The same directory stands twice in the chain; an incremental is applied once.");
  links.slice(1).forEach((child, index) => {
    const parent = links[index];
    if (parent !== undefined) requireFit(parent, child);
  });
}

function requireRoot({ unpacked, checkpoints }: ChainLink): void {
  if (unpacked.kind !== "full") throw broken(`The chain begins with the incremental in ${unpacked.dir}, not with a full backup.`);
  if (checkpoints.backupType === "log-applied") throw broken(`The full in ${unpacked.dir} has been prepared before.`, "Extract the chain again into empty directories.");
  if (checkpoints.backupType !== "full-backuped") throw broken(`The backup in ${unpacked.dir} calls itself "${checkpoints.backupType}", not a full.`);
}

function requireOwnFacts({ unpacked, checkpoints }: ChainLink): void {
  const { facts, dir } = unpacked;
  if (BigInt(facts.fromLsn) === checkpoints.fromLsn && BigInt(facts.toLsn) === checkpoints.toLsn) return;
  const said = `${facts.fromLsn} to ${facts.toLsn}`;
  throw broken(`The manifest says LSN ${said}, the backup in ${dir} says ${String(checkpoints.fromLsn)} to ${String(checkpoints.toLsn)}.`);
}

function requireFit(parent: ChainLink, child: ChainLink): void {
  const { dir, facts, kind } = child.unpacked;
  if (kind !== "incremental" || child.checkpoints.backupType !== "incremental") {
    throw broken(`The backup in ${dir} calls itself "${child.checkpoints.backupType}" and stands where an incremental belongs.`);
  }
  if (child.checkpoints.fromLsn !== parent.checkpoints.toLsn) {
    throw broken(`The incremental in ${dir} begins at LSN ${facts.fromLsn}, but the backup before it ends at ${parent.unpacked.facts.toLsn}.`);
  }
  if (child.checkpoints.lastLsn < parent.checkpoints.lastLsn) {
    throw broken(`The incremental in ${dir} was taken before the backup it should follow: its redo ends at LSN ${String(child.checkpoints.lastLsn)}, the other's at ${String(parent.checkpoints.lastLsn)}.`);
  }
  if (facts.dataIdentity !== parent.unpacked.facts.dataIdentity) {
    throw broken(`The incremental in ${dir} is of other data (${facts.dataIdentity}) than the backup before it (${parent.unpacked.facts.dataIdentity}).`);
  }
  requireLogOrder(parent.unpacked, child.unpacked);
}

function requireLogOrder(parent: ChainLink["unpacked"], child: ChainLink["unpacked"]): void {
  const [before, after] = [parent.facts.logPosition, child.facts.logPosition];
  // Another base name is another numbering: nothing can be compared.
  if (before === null || after === null || baseName(before.file) !== baseName(after.file)) return;
  if (comparePositions(after, before) >= 0) return;
  throw broken(`The incremental in ${child.dir} stands at ${formatPosition(after)} of the log, before ${formatPosition(before)} of the backup it should follow.`);
}

function baseName(file: string): string {
  return file.replace(/\.\d+$/, "");
}

function broken(message: string, hint = "Restore from another chain; this one does not fit together."): HoldfastError {
  return new HoldfastError("CHAIN_BROKEN", message, { hint });
}
