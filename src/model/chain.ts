import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { type Backup, isTakenLater } from "./backup.ts";
import type { BackupFacts } from "./manifest.ts";
import { comparePositions, formatPosition, type LogPosition } from "./position.ts";
import { TIERS } from "./policy.ts";

/** What a decision about chains needs to know of a backup. */
export type ChainLink = Pick<Backup, "backupId" | "instanceId" | "kind" | "parentId" | "timeline" | "verification" | "resealedFrom"> & {
  readonly facts: Pick<BackupFacts, "fromLsn" | "toLsn" | "dataIdentity" | "logPosition">;
};

/**
 * The full and the incrementals, in order, that bring back `backupId`. Throws CHAIN_BROKEN and names the link that is
 * missing or does not join: an incremental begins at exactly the LSN its parent ends at, on the same data and in the
 * same timeline.
 */
export function chainOf<B extends ChainLink>(backups: readonly B[], backupId: string): B[] {
  const byId = new Map(backups.map((backup) => [backup.backupId, backup]));
  return walk(byId, backupId);
}

function walk<B extends ChainLink>(byId: ReadonlyMap<string, B>, backupId: string): B[] {
  const chain: B[] = [];
  const seen = new Set<string>();
  let child: B | null = null;
  let wanted: string | null = backupId;
  while (wanted !== null) {
    const link = byId.get(wanted);
    if (link === undefined) throw missing(wanted, child);
    if (seen.has(wanted)) throw broken(wanted, `backup ${wanted} is its own ancestor`);
    seen.add(wanted);
    if (child !== null) requireJoin(link, child);
    requireRoot(link);
    chain.unshift(link);
    child = link;
    wanted = link.parentId;
  }
  return chain;
}

function missing(wanted: string, child: ChainLink | null): HoldfastError {
  if (child === null) return broken(wanted, `backup ${wanted} does not exist`);
  return broken(wanted, `incremental ${child.backupId} builds on backup ${wanted}, which does not exist`);
}

function requireRoot(link: ChainLink): void {
  if (link.kind === "full" && link.parentId !== null) throw broken(link.backupId, `full backup ${link.backupId} names a parent, ${link.parentId}`);
  if (link.kind === "incremental" && link.parentId === null) throw broken(link.backupId, `incremental ${link.backupId} names no parent`);
}

function requireJoin(parent: ChainLink, child: ChainLink): void {
  const between = `incremental ${child.backupId} and its parent ${parent.backupId}`;
  if (parent.instanceId !== child.instanceId) throw broken(parent.backupId, `${between} are of different instances`);
  if (parent.facts.dataIdentity !== child.facts.dataIdentity) {
    throw broken(parent.backupId, `${between} are of different data (${child.facts.dataIdentity} and ${parent.facts.dataIdentity})`);
  }
  if (parent.timeline !== child.timeline) throw broken(parent.backupId, `${between} are of different timelines (${child.timeline} and ${parent.timeline})`);
  if (parent.facts.toLsn !== child.facts.fromLsn) {
    throw broken(parent.backupId, `${between} do not join: it begins at LSN ${child.facts.fromLsn}, and the parent ends at ${parent.facts.toLsn}`);
  }
}

function broken(backupId: string, what: string): HoldfastError {
  return new HoldfastError("CHAIN_BROKEN", `The chain is broken: ${what}.`, { details: { backupId } });
}

/** Every backup whose chain is whole, with that chain; broken ones are left out. */
export function wholeChains<B extends ChainLink>(backups: readonly B[]): { tip: B; chain: B[] }[] {
  const byId = new Map(backups.map((backup) => [backup.backupId, backup]));
  return backups.flatMap((tip) => {
    try {
      return [{ tip, chain: walk(byId, tip.backupId) }];
    } catch (error) {
      if (isHoldfastError(error, "CHAIN_BROKEN")) return [];
      throw error;
    }
  });
}

/**
 * The failed verification that a chain stands under, or null. A verification of one link restores everything below it,
 * so a later pass, of that link or one above it and at least at the same tier, takes a failure back.
 */
export function failedVerification(chain: readonly ChainLink[]): NonNullable<ChainLink["verification"]> | null {
  const verdicts = chain.map((link) => link.verification);
  for (const [place, failed] of verdicts.entries()) {
    if (failed?.status !== "failed") continue;
    const refuted = verdicts
      .slice(place)
      .some((later) => later?.status === "passed" && later.at > failed.at && TIERS.indexOf(later.tier) >= TIERS.indexOf(failed.tier));
    if (!refuted) return failed;
  }
  return null;
}

/**
 * What the next incremental builds on: of all whole chains of the timeline that no verification has condemned, the
 * backup that reaches furthest. Null when only a full will do. Only the data that the newest backup is of counts: LSNs
 * of other data say nothing.
 */
export function newestChainTip<B extends ChainLink>(backups: readonly B[], timeline: string): B | null {
  const own = backups.filter((backup) => backup.timeline === timeline);
  const newest = own.reduce<B | null>((best, backup) => (best === null || isTakenLater(backup, best) ? backup : best), null);
  const same = own.filter((backup) => backup.facts.dataIdentity === newest?.facts.dataIdentity);
  const tips = wholeChains(same).filter(({ chain }) => failedVerification(chain) === null);
  return tips.map(({ tip }) => tip).reduce<B | null>((best, tip) => (best === null || furtherLsn(tip, best) ? tip : best), null);
}

function furtherLsn(a: ChainLink, b: ChainLink): boolean {
  const difference = BigInt(a.facts.toLsn) - BigInt(b.facts.toLsn);
  return difference > 0n || (difference === 0n && a.backupId > b.backupId);
}

export interface ChosenChain<B> {
  readonly chain: B[];
  /** Why the choice is worse than one would wish, in sentences. */
  readonly warnings: string[];
}

/**
 * The chain with the shortest way to a place in the log: the newest backup of the timeline that lies at or before it.
 * One that failed its verification is taken only when there is nothing else, with a warning. Null when none will do.
 */
export function bestChainFor<B extends ChainLink>(backups: readonly B[], stop: Pick<LogPosition, "file" | "position">, timeline: string): ChosenChain<B> | null {
  const reachable = backups.filter((backup) => backup.timeline === timeline && backup.facts.logPosition !== null && comparePositions(backup.facts.logPosition, stop) <= 0);
  const reachableSet = new Set(reachable);
  const candidates = wholeChains(backups).filter(({ tip }) => reachableSet.has(tip));
  const sound = candidates.filter(({ chain }) => failedVerification(chain) === null);
  const best = (sound.length > 0 ? sound : candidates).reduce<{ tip: B; chain: B[] } | null>((a, b) => (a === null || laterPlace(b.tip, a.tip) ? b : a), null);
  if (best === null) return null;
  return { chain: best.chain, warnings: choiceWarnings(best.chain, reachable, candidates.length) };
}

function laterPlace(a: ChainLink, b: ChainLink): boolean {
  if (a.facts.logPosition === null || b.facts.logPosition === null) return b.facts.logPosition === null;
  const difference = comparePositions(a.facts.logPosition, b.facts.logPosition);
  return difference > 0 || (difference === 0 && a.backupId > b.backupId);
}

function choiceWarnings(chain: readonly ChainLink[], reachable: readonly ChainLink[], wholeCount: number): string[] {
  const tip = chain.at(-1);
  const failed = failedVerification(chain);
  const warnings = failed === null ? [] : [`The chain of backup ${tip?.backupId ?? ""} failed its ${failed.tier} verification of ${failed.at}; there is no other that reaches this place.`];
  const newer = reachable.filter((backup) => tip !== undefined && backup !== tip && laterPlace(backup, tip));
  if (newer.length === 0) return warnings;
  const place = tip?.facts.logPosition;
  const from = place === null || place === undefined ? "" : ` from ${formatPosition(place)}`;
  const why = reachable.length > wholeCount ? "their chains are broken or failed verification" : "their chains failed verification";
  return [...warnings, `${String(newer.length)} newer ${newer.length === 1 ? "backup is" : "backups are"} passed over because ${why}; more log is replayed${from}.`];
}
