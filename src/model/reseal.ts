import type { Backup } from "./backup.ts";
import { areSameRecipients } from "./signed-recipients.ts";

/** What decides whether a backup must be sealed anew. */
export type SealedLink = Pick<Backup, "backupId" | "parentId" | "resealedFrom"> & { readonly recipients: readonly string[] };

export interface ResealPlan<L> {
  /** What opens for the recipients already: the new backups build on it. Null when nothing does. */
  readonly onto: string | null;
  /** To be sealed anew, in order; empty when the whole chain opens. */
  readonly links: L[];
}

/**
 * What of a chain (its full first) must be sealed anew to be restored by these recipients alone. An incremental names what
 * it builds on, so from the first link that must be done all that follow are. `others` are earlier copies of the links:
 * what an interrupted reseal has done is not done again.
 */
export function planReseal<L extends SealedLink>(chain: readonly L[], others: readonly L[], recipients: readonly string[]): ResealPlan<L> {
  let onto: string | null = null;
  for (const [place, link] of chain.entries()) {
    const fitting = [link, ...others].find((one) => takenAs(one) === takenAs(link) && one.parentId === onto && isSealedTo(one, recipients));
    if (fitting === undefined) return { onto, links: chain.slice(place) };
    onto = fitting.backupId;
  }
  return { onto, links: [] };
}

const takenAs = ({ backupId, resealedFrom }: SealedLink): string => resealedFrom ?? backupId;

export function isSealedTo({ recipients }: Pick<SealedLink, "recipients">, wanted: readonly string[]): boolean {
  return areSameRecipients(recipients, wanted);
}
