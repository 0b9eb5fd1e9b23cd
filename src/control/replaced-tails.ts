import { type AttemptRow, findAttempt } from "../catalog/attempts.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import { type DoomedObject, doomObjects, forgetDoomedObjects } from "../catalog/pieces-in-work.ts";
import { doubtedSegments, keepReplaced, keptOf, postponeReplaced, releaseReplaced, type ReplacedObject } from "../catalog/replaced-tails.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { deletePieces, getPiece, insertPiece, pieceRow } from "../catalog/segments.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { SegmentRef } from "../model/backup.ts";
import { logPrefix, type LogSegment, segmentKey } from "../model/manifest.ts";
import { formatPosition } from "../model/position.ts";
import { DAMAGED_FINDING_KIND } from "./damage.ts";
import { clear, raise } from "./findings.ts";
import { isFrozen } from "./frozen.ts";
import { type ControlPorts, storageOf } from "./ports.ts";
import { documentFacts, readDocument } from "./stored-document.ts";
import { verifiedSegment } from "./verified-segment.ts";

/** Critical, about an instance: a segment of its log was of no use, and what became of the tails that it had replaced. */
export const REPLACED_FINDING_KIND = "log-segment-useless";

/** What of a piece of log a failed restore, verification or look into its index says that the piece is to blame for. */
const FAULTS_OF_A_PIECE = ["OBJECT_DAMAGED", "OBJECT_NOT_FOUND", "STREAM_DAMAGED", "FORMAT_INVALID", "KEY_WRONG"] as const;

const LONGER_MS = 30 * 24 * 3_600_000;

/** The signed document goes first: without it the rest is no piece of log. */
function objectsOf({ repository, prefix, segment }: SegmentRef): DoomedObject[] {
  return [
    { repository, key: segmentKey(segment.instanceId, segment.timeline, segment.segmentId), rank: 0 },
    { repository, key: `${prefix}${segment.object.name}`, rank: 1 },
    { repository, key: `${prefix}${segment.index.name}`, rank: 1 },
  ];
}

/**
 * Gives up tails whose bytes a segment holds by now. Their objects stay until `untilMs`: the server cannot look into
 * what is encrypted, and whoever has stolen an agent's identity can commit rubbish as the segment of the file that is
 * being written. A database host must not be able to destroy what was written, so the tails come back when the segment
 * turns out to be of no use (`bringTailsBack`). Call it in a transaction.
 */
export async function doomReplaced(db: CatalogDb, tails: readonly SegmentRef[], by: { segmentId: string; attemptId: string | null; untilMs: number }): Promise<void> {
  const why = { replacedBy: by.segmentId, replacedByAttempt: by.attemptId, notBeforeMs: by.untilMs };
  for (const tail of tails) await doomObjects(db, objectsOf(tail).map((object) => ({ ...object, ...why })));
}

/**
 * Keeps what segments have replaced beyond its time, because something is wrong with them; `bringTailsBack` does the
 * rest, in this process or in one that comes after it. Does nothing for what has replaced nothing.
 */
export async function doubtSegments(ports: Pick<ControlPorts, "clock">, db: CatalogDb, segmentIds: readonly string[], why: string): Promise<void> {
  // In a frozen catalog nothing is deleted, whatever its time.
  const nowMs = (await isFrozen(db)) ? 0 : ports.clock.nowMs();
  await keepReplaced(db, segmentIds, { nowMs, why });
}

/**
 * Lets what segments have replaced stay for a month more: something is amiss, and it is not known yet whether these
 * segments are to blame.
 */
export async function keepForLonger(ports: Pick<ControlPorts, "clock">, db: CatalogDb, segmentIds: readonly string[]): Promise<void> {
  const nowMs = ports.clock.nowMs();
  await postponeReplaced(db, segmentIds, { nowMs, untilMs: nowMs + LONGER_MS });
}

/** Which of these segments an error names as what it failed at. */
export function blamedSegments(segments: readonly SegmentRef[], error: { code: string; message: string }): string[] {
  if (!FAULTS_OF_A_PIECE.some((code) => code === error.code)) return [];
  return segmentsNamed(segments, error.message);
}

/** Pieces of log are named by their ids, which nothing else contains. */
export function segmentsNamed(segments: readonly SegmentRef[], words: string): string[] {
  return segments.map(({ segment }) => segment.segmentId).filter((id) => words.includes(id));
}

/** As `bringTailsBack`, for those who must not fail with it: a loop does it again. */
export async function tryBringTailsBack(ports: ControlPorts): Promise<void> {
  await bringTailsBack(ports).catch((error: unknown) => {
    ports.log.error({ err: error }, "tails that a segment had replaced cannot be brought back yet");
  });
}

/**
 * Puts the tails in the place of every segment that is in doubt: their signed documents are read and checked, and in one
 * transaction they are pieces of log again and the segment is none. Its objects stay, as evidence. Throws what the
 * repository throws; done again, it goes on with what is left.
 */
export async function bringTailsBack(ports: ControlPorts): Promise<void> {
  const failed: unknown[] = [];
  for (const doubt of await doubtedSegments(ports.catalog.db)) {
    try {
      await bringBack(ports, doubt);
    } catch (error) {
      failed.push(error);
    }
  }
  if (failed.length > 0) throw failed[0];
}

async function bringBack(ports: ControlPorts, { segmentId, why }: { segmentId: string; why: string }): Promise<void> {
  const { db } = ports.catalog;
  const segment = await getPiece(db, segmentId);
  if (segment === null) return releaseReplaced(db, segmentId);
  const kept = await keptOf(db, segmentId);
  const { whole, useless } = await readTails(ports, segment.segment, kept);
  const attempt = await attemptOf(db, kept);
  await inTransaction(db, async (tx) => {
    if ((await getPiece(tx, segmentId)) === null) return;
    if (whole.length > 0) await swap(ports, tx, { segment, whole, why });
    await releaseReplaced(tx, segmentId);
    await raiseUseless(ports, tx, { segment: segment.segment, tails: whole.map((tail) => tail.ref.segment), useless, why, attempt });
  });
}

interface StoredTail {
  readonly ref: SegmentRef;
  readonly text: string;
}

async function readTails(ports: ControlPorts, segment: LogSegment, kept: readonly ReplacedObject[]): Promise<{ whole: StoredTail[]; useless: string[] }> {
  const whole: StoredTail[] = [];
  const useless: string[] = [];
  for (const { key, repository } of kept.filter(({ rank }) => rank === 0)) {
    try {
      whole.push(await readTail(ports, segment, { key, repository }));
    } catch (error) {
      if (!isHoldfastError(error) || !FAULTS_OF_A_TAIL.some((code) => code === error.code)) throw error;
      useless.push(error.message);
    }
  }
  return { whole: whole.sort((a, b) => a.ref.segment.startPosition - b.ref.segment.startPosition), useless };
}

const FAULTS_OF_A_TAIL = ["OBJECT_DAMAGED", "OBJECT_NOT_FOUND", "FORMAT_INVALID", "SIGNATURE_INVALID"] as const;

async function readTail(ports: ControlPorts, segment: LogSegment, at: { key: string; repository: string }): Promise<StoredTail> {
  const { key, repository } = at;
  const storage = storageOf(ports, repository);
  const text = await readDocument(storage, key);
  const tail = verifiedSegment(text, { key, publicKey: ports.signer.publicKey });
  const isInside = tail.timeline === segment.timeline && tail.file === segment.file && tail.startPosition >= segment.startPosition && tail.endPosition <= segment.endPosition;
  if (tail.repositoryId !== segment.repositoryId || tail.kind !== "tail" || !isInside) throw new HoldfastError("FORMAT_INVALID", `${key} is not a tail inside the segment ${segment.segmentId}.`);
  const prefix = logPrefix(tail.instanceId, tail.timeline);
  for (const { name, sizeBytes } of [tail.object, tail.index]) {
    const found = await storage.stat(`${prefix}${name}`);
    if (found?.sizeBytes !== sizeBytes) throw new HoldfastError("OBJECT_DAMAGED", `${prefix}${name} is not stored as it was.`);
  }
  return { ref: { repository, prefix, segment: tail }, text };
}

async function swap(ports: ControlPorts, db: CatalogDb, { segment, whole, why }: { segment: SegmentRef; whole: readonly StoredTail[]; why: string }): Promise<void> {
  const { segmentId } = segment.segment;
  await deletePieces(db, [segmentId]);
  // Nobody's rubbish to a check, and never deleted: somebody may want to look into it.
  await doomObjects(db, objectsOf(segment).map((object) => ({ ...object, keptBecause: why })));
  for (const { ref, text } of whole) {
    await insertPiece(db, pieceRow(ref.segment, { repository: ref.repository, document: documentFacts(text) }));
    await forgetDoomedObjects(db, objectsOf(ref).map(({ key }) => key));
  }
  await clear(ports, db, { kind: DAMAGED_FINDING_KIND, subject: `segment:${segmentId}` });
}

async function attemptOf(db: CatalogDb, kept: readonly ReplacedObject[]): Promise<AttemptRow | null> {
  const id = kept.find(({ replacedByAttempt }) => replacedByAttempt !== null)?.replacedByAttempt;
  return id === null || id === undefined ? null : findAttempt(db, id);
}

interface Useless {
  readonly segment: LogSegment;
  readonly tails: readonly LogSegment[];
  readonly useless: readonly string[];
  readonly why: string;
  readonly attempt: AttemptRow | null;
}

async function raiseUseless(ports: ControlPorts, db: CatalogDb, { segment, tails, useless, why, attempt }: Useless): Promise<void> {
  const { segmentId, file, startPosition, endPosition } = segment;
  const who = attempt === null ? "" : `, which attempt ${attempt.id} of agent ${attempt.agent} committed,`;
  const missing = holesIn(segment, tails).map(([from, to]) => `${String(from)} to ${String(to)}`);
  const became = tails.length === 0 ? "None of the tails that it had replaced can be used" : `It was replaced by the ${String(tails.length)} ${tails.length === 1 ? "tail" : "tails"} that it had replaced`;
  const lost = missing.length === 0 ? "" : ` No tail holds the bytes ${missing.join(" and ")}.`;
  const refused = useless.length === 0 ? "" : ` Not usable: ${useless.join(" ")}`;
  await raise(ports, db, {
    kind: REPLACED_FINDING_KIND,
    subject: `instance:${segment.instanceId}`,
    severity: "critical",
    message: `The segment ${segmentId} of log (${formatPosition({ file, position: startPosition })} to ${String(endPosition)})${who} is of no use: ${why} ${became}.${lost}${refused}`,
    remedy: "Find out who worked with that agent's identity and revoke it if you do not know. Then take a backup; a verification to T4 that passes closes this.",
  });
}

/** Bytes of a segment that none of these tails, in order, holds. */
function holesIn({ startPosition, endPosition }: LogSegment, tails: readonly LogSegment[]): [number, number][] {
  const holes: [number, number][] = [];
  let at = startPosition;
  for (const tail of tails) {
    if (tail.startPosition > at) holes.push([at, tail.startPosition]);
    at = Math.max(at, tail.endPosition);
  }
  return at < endPosition ? [...holes, [at, endPosition]] : holes;
}
