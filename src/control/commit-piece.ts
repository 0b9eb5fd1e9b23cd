import type { AttemptRow } from "../catalog/attempts.ts";
import { findInstance } from "../catalog/instances.ts";
import { getJobRow, moveJob } from "../catalog/jobs.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import { countLogGrants, deleteLogGrants, deletePendingPiece, getPendingPiece, insertPendingPiece, listPendingPieces } from "../catalog/pieces-in-work.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { deletePieces, getPiece, insertPiece, pieceRow, piecesOverlapping } from "../catalog/segments.ts";
import { currentTimeline, setTimelineIdentity } from "../catalog/timelines.ts";
import { isoTime } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Signed } from "../lib/signing.ts";
import type { SegmentRef } from "../model/backup.ts";
import type { PieceReport } from "../model/job.ts";
import { logPrefix, type LogSegment, logSegmentSchema, SEGMENT_KIND, segmentKey } from "../model/manifest.ts";
import { mergedArrivals, replacedTails } from "../model/log-merge.ts";
import { formatPosition, logFileNumber } from "../model/position.ts";
import { checkStoredHash, checkStoredSize } from "./check-stored.ts";
import { clear, raise } from "./findings.ts";
import { jobSubject } from "./end-attempt.ts";
import { type LeaseClaim, requireLease } from "./leases.ts";
import { lockCommitted } from "./lock-committed.ts";
import { repositoryIdOf } from "./open-repository.ts";
import { type ControlPorts, type ControlSettings, DEFAULT_SETTINGS, storageOf } from "./ports.ts";
import { doomReplaced } from "./replaced-tails.ts";
import { documentFacts, writeDocument } from "./stored-document.ts";
import { deleteDoomedObjects } from "./sweep.ts";

type Keeping = Pick<ControlSettings, "keepReplacedMs">;

/**
 * Commits a piece of log: checks lease and stored objects (a segment's are read back and hashed, because its tails go),
 * writes down what the signed document will be, stores it write-once, then commits in the catalog; replaced tails are
 * pieces no more in the same transaction, and their objects go `keepReplacedMs` later. The same report again, at any
 * time, gives the same answer.
 */
export async function commitPiece(ports: ControlPorts, claim: LeaseClaim, report: PieceReport, settings: Keeping = DEFAULT_SETTINGS): Promise<{ committedAt: string }> {
  const attempt = await requireLease(ports.catalog.db, claim);
  const committed = await getPiece(ports.catalog.db, report.segmentId);
  if (committed !== null) return arrivalOf(sameOrRefuse(committed.segment, report));
  if ((await getPendingPiece(ports.catalog.db, report.segmentId)) === null) await decidePiece(ports, claim, attempt, report);
  const segment = sameOrRefuse(await completePiece(ports, settings, report.segmentId), report);
  return arrivalOf(segment);
}

function arrivalOf(segment: LogSegment): { committedAt: string } {
  return { committedAt: segment.arrivals.at(-1)?.at ?? "" };
}

/** An id stands for one content: a second report with another one is a fault of the agent. */
function sameOrRefuse(segment: LogSegment, report: PieceReport): LogSegment {
  const same = segment.object.sha256 === report.object.sha256 && segment.index.sha256 === report.index.sha256 && segment.plainSha256 === report.plainSha256;
  if (same) return segment;
  throw new HoldfastError("CONFLICT", `The piece ${report.segmentId} was committed before with other content.`);
}

async function decidePiece(ports: ControlPorts, claim: LeaseClaim, attempt: AttemptRow, report: PieceReport): Promise<void> {
  const job = await getJobRow(ports.catalog.db, attempt.jobId);
  if (job.kind !== "ship" || job.instanceId === null) throw new HoldfastError("INPUT_INVALID", `Attempt ${attempt.id} is not of a ship job, but a piece of log was reported.`);
  const { instanceId } = job;
  checkReport(report);
  const storage = storageOf(ports, attempt.repository);
  const prefix = logPrefix(instanceId, attempt.timeline);
  const check = report.kind === "segment" ? checkStoredHash : checkStoredSize;
  for (const part of [report.object, report.index]) await check(storage, `${prefix}${part.name}`, part);
  const repositoryId = await repositoryIdOf(ports, attempt.repository);

  await inTransaction(ports.catalog.db, async (db) => {
    await requireLease(db, claim);
    if ((await countLogGrants(db, report.segmentId)) < 2) throw new HoldfastError("OBJECT_NOT_FOUND", `The objects of piece ${report.segmentId} were never granted, or were given up since.`);
    await checkLineage(db, instanceId, attempt, report);
    const tails = replacedTails(report, await overlapping(db, { instanceId, timeline: attempt.timeline }, report));
    const createdAt = isoTime(ports.clock.nowMs());
    const { replaces: _replaced, dataIdentity: _identity, ...content } = report;
    const arrivals = mergedArrivals(tails, { endPosition: report.endPosition, at: createdAt });
    const segment = logSegmentSchema.parse({ ...content, formatVersion: 1, repositoryId, instanceId, timeline: attempt.timeline, arrivals } satisfies LogSegment);
    const document = JSON.stringify(ports.signer.sign(SEGMENT_KIND, segment));
    await insertPendingPiece(db, { id: report.segmentId, attemptId: attempt.id, repository: attempt.repository, document, createdAt });
  });
}

function checkReport(report: PieceReport): void {
  const { segmentId, object, index } = report;
  if (object.name !== `${segmentId}.zst.age` || index.name !== `${segmentId}.index.zst.age`) {
    throw new HoldfastError("INPUT_INVALID", `The piece ${segmentId} names its objects ${object.name} and ${index.name}.`);
  }
  if (report.endPosition <= report.startPosition) throw new HoldfastError("INPUT_INVALID", `The piece ${segmentId} of ${report.file} is empty.`);
}

/** LINEAGE_CHANGED when the instance has a newer timeline by now, or when the piece is of other data than the timeline. */
async function checkLineage(db: CatalogDb, instanceId: string, attempt: AttemptRow, report: PieceReport): Promise<void> {
  const current = await currentTimeline(db, instanceId);
  if (current?.id !== attempt.timeline) throw new HoldfastError("LINEAGE_CHANGED", `The log of timeline ${attempt.timeline} has ended: a newer one was begun.`);
  if (current.dataIdentity !== null && current.dataIdentity !== report.dataIdentity) {
    throw new HoldfastError("LINEAGE_CHANGED", `The piece ${report.segmentId} is of the data ${report.dataIdentity}; its timeline is of ${current.dataIdentity}.`);
  }
  await setTimelineIdentity(db, current.id, report.dataIdentity);
}

/** Committed pieces and decided ones that share bytes with this one. */
async function overlapping(db: CatalogDb, lineage: { instanceId: string; timeline: string }, piece: Pick<LogSegment, "file" | "startPosition" | "endPosition">): Promise<LogSegment[]> {
  const { file, startPosition, endPosition } = piece;
  const found = await piecesOverlapping(db, { ...lineage, fileNumber: logFileNumber(file), startPosition, endPosition });
  const pending = (await listPendingPieces(db)).map(({ document }) => segmentIn(document));
  const sharing = pending.filter((other) => other.timeline === lineage.timeline && other.file === file && other.startPosition < endPosition && other.endPosition > startPosition);
  const [unfinished] = sharing;
  if (unfinished !== undefined) throw new HoldfastError("STORAGE_FAILED", `The piece ${unfinished.segmentId} at ${formatPosition({ file, position: unfinished.startPosition })} is still being committed.`);
  return found.map((ref: SegmentRef) => ref.segment);
}

function segmentIn(document: string): LogSegment {
  return logSegmentSchema.parse((JSON.parse(document) as Signed<unknown>).body);
}

/** Second half of a piece's commit, from what the catalog holds alone; the same however often it is begun. */
async function completePiece(ports: ControlPorts, { keepReplacedMs }: Keeping, segmentId: string): Promise<LogSegment> {
  const pending = await getPendingPiece(ports.catalog.db, segmentId);
  if (pending === null) {
    const committed = await getPiece(ports.catalog.db, segmentId);
    if (committed === null) throw new HoldfastError("NOT_FOUND", `There is no piece of log ${segmentId}.`);
    return committed.segment;
  }
  const segment = segmentIn(pending.document);
  const key = segmentKey(segment.instanceId, segment.timeline, segmentId);
  const prefix = logPrefix(segment.instanceId, segment.timeline);
  await lockSegment(ports, pending, segment, [segment.object, segment.index].map(({ name }) => `${prefix}${name}`));
  await writeDocument(storageOf(ports, pending.repository), key, pending.document);
  await lockSegment(ports, pending, segment, [key]);
  const hasReplaced = await inTransaction(ports.catalog.db, (db) => insertCommitted(ports, db, { pending, segment, keepReplacedMs }));
  if (hasReplaced) ports.segmentsToLookInto.add(segmentId);
  // Of tails that were replaced long ago.
  if (segment.kind === "segment") await deleteDoomedObjects(ports);
  return segment;
}

/** Tails are merged soon and go then: the lock that they were stored with is enough for them. */
async function lockSegment(ports: ControlPorts, { repository }: { repository: string }, segment: LogSegment, keys: readonly string[]): Promise<void> {
  if (segment.kind !== "segment" || storageOf(ports, repository).lock === undefined) return;
  const { policy } = await findInstance(ports.catalog.db, segment.instanceId);
  await lockCommitted(ports, { repository, policy, keys });
}

interface Decided extends Keeping {
  readonly pending: { readonly id: string; readonly attemptId: string; readonly repository: string; readonly document: string };
  readonly segment: LogSegment;
}

/** Whether it replaced tails. */
async function insertCommitted(ports: ControlPorts, db: CatalogDb, { pending, segment, keepReplacedMs }: Decided): Promise<boolean> {
  // Another call may have finished it meanwhile, and a merge may have replaced it since.
  if ((await getPendingPiece(db, pending.id)) === null) return false;
  const { instanceId, timeline, file, startPosition, endPosition } = segment;
  const overlaps = await piecesOverlapping(db, { instanceId, timeline, fileNumber: logFileNumber(file), startPosition, endPosition });
  const tails = overlaps.filter((ref) => ref.segment.segmentId !== pending.id);
  await deletePieces(db, tails.map((ref) => ref.segment.segmentId));
  await doomReplaced(db, tails, { segmentId: pending.id, attemptId: pending.attemptId, untilMs: ports.clock.nowMs() + keepReplacedMs });
  await insertPiece(db, pieceRow(segment, { repository: pending.repository, document: documentFacts(pending.document) }));
  await deletePendingPiece(db, pending.id);
  await deleteLogGrants(db, [pending.id]);
  const job = await db.selectFrom("attempt").innerJoin("job", "job.id", "attempt.jobId").select(["job.id", "job.instanceId"]).where("attempt.id", "=", pending.attemptId).executeTakeFirst();
  if (job !== undefined) {
    await clear(ports, db, { kind: "ship-failed", subject: jobSubject(job) });
    // What failed before is over: the next failure is a first one again, with its short pause.
    await moveJob(db, job.id, { from: ["running"], to: "running", patch: { attemptCount: 1 } });
  }
  return tails.length > 0;
}

/** Finishes pieces that a crash or a failing repository has cut short. Returns how many were finished. */
export async function finishInterruptedPieces(ports: ControlPorts, settings: Keeping = DEFAULT_SETTINGS): Promise<number> {
  let finished = 0;
  for (const pending of await listPendingPieces(ports.catalog.db)) {
    const gone = { kind: "commit-unfinished", subject: `segment:${pending.id}` };
    try {
      await completePiece(ports, settings, pending.id);
      await clear(ports, ports.catalog.db, gone);
      finished += 1;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      ports.log.error({ segmentId: pending.id, err: error }, "piece of log cannot be committed");
      const words = { severity: "critical", message: `The piece of log ${pending.id} is stored but not committed: ${why}`, remedy: "Make the repository writable; the commit is tried again." } as const;
      await raise(ports, ports.catalog.db, { ...gone, ...words });
    }
  }
  return finished;
}
