import type { CatalogDb } from "../catalog/schema.ts";
import type { SegmentRef } from "../model/backup.ts";
import { type FindQuestion, type FoundChange, foundChange, isInTime, matchGroup } from "../model/find-changes.ts";
import type { LogGroup } from "../model/log-groups.ts";
import { formatPosition, logFileNumber } from "../model/position.ts";
import { logOfInstance, type OpenLogIndex } from "./plan-restore.ts";

export interface FoundChanges {
  /** In log order, the newest last. */
  readonly changes: FoundChange[];
  /** Groups that were looked at. */
  readonly searchedGroups: number;
  /** What could not be told, in sentences. */
  readonly notes: string[];
}

export interface FindRequest {
  readonly instanceId: string;
  readonly question: FindQuestion;
  /** The newest so many are given. */
  readonly limit: number;
}

/**
 * Looks through the stored lists of transaction groups: who dropped, truncated or emptied a table, and when. Reads only
 * lists whose stamps can lie in the question's bounds, never the log itself.
 */
export async function findChanges(db: CatalogDb, openLogIndex: OpenLogIndex, { instanceId, question, limit }: FindRequest): Promise<FoundChanges> {
  const pieces = (await logOfInstance(db, instanceId)).sort(inLogOrder);
  const search: Search = { question, changes: [], uncounted: [], searchedGroups: 0 };
  const heldEnds = new Map<string, number>();
  for (const piece of pieces) {
    const { segment } = piece;
    if (segment.groupCount === 0 || !canLieInside(piece, question)) continue;
    // A segment and the tails it replaces may hold the same groups for a moment.
    const file = `${segment.timeline} ${segment.file}`;
    const from = heldEnds.get(file) ?? 0;
    heldEnds.set(file, Math.max(from, segment.endPosition));
    const { groups } = await openLogIndex(piece);
    look(search, piece, groups, from);
  }
  const { changes, searchedGroups } = search;
  return { changes: changes.slice(-limit), searchedGroups, notes: notesOf(search, pieces, limit) };
}

interface Search {
  readonly question: FindQuestion;
  readonly changes: FoundChange[];
  readonly uncounted: string[];
  searchedGroups: number;
}

function inLogOrder(a: SegmentRef, b: SegmentRef): number {
  const [one, other] = [a.segment, b.segment];
  if (one.timeline !== other.timeline) return one.timeline < other.timeline ? -1 : 1;
  return logFileNumber(one.file) - logFileNumber(other.file) || one.startPosition - other.startPosition || other.endPosition - one.endPosition;
}

function canLieInside({ segment: { firstStampS, lastStampS } }: SegmentRef, { from, to }: FindQuestion): boolean {
  return (lastStampS === null || isInTime(lastStampS, { from })) && (firstStampS === null || isInTime(firstStampS, { to }));
}

/** Looks at the groups of a piece that begin at `from` or behind it. */
function look(search: Search, { segment }: SegmentRef, groups: readonly LogGroup[], from: number): void {
  const { timeline, file, gtidBefore } = segment;
  // A state of one domain names the transaction before; of several nobody knows which came last.
  let previousGtid = gtidBefore === "" || gtidBefore.includes(",") ? null : gtidBefore;
  for (const group of groups) {
    const isNew = group.start >= from;
    const match = isNew && isInTime(group.stampS, search.question) ? matchGroup(group, search.question) : null;
    search.searchedGroups += isNew ? 1 : 0;
    if (match === "uncounted") search.uncounted.push(`${group.gtid} (${formatPosition({ file, position: group.start })})`);
    else if (match !== null) search.changes.push(foundChange(group, { timeline, file, previousGtid }, match));
    previousGtid = group.gtid;
  }
}

const NAMED = 5;

function notesOf({ changes, uncounted }: Search, pieces: readonly SegmentRef[], limit: number): string[] {
  const notes: string[] = [];
  if (pieces.length === 0) notes.push("No log of this instance is stored, so nothing could be looked through.");
  if (changes.length > limit) notes.push(`${String(changes.length)} were found; the newest ${String(limit)} are shown.`);
  if (uncounted.length > 0) {
    const names = uncounted.slice(-NAMED).join(", ");
    notes.push(`${String(uncounted.length)} more transactions changed rows of this table, and how many is not known (logged as text, of a type that is not counted, or stored before rows were counted); ${uncounted.length > NAMED ? `the last are ${names}` : names}.`);
  }
  return notes;
}
