import type { Selectable } from "kysely";
import { type SegmentRef } from "../model/backup.ts";
import { logPrefix, type LogSegment, logSegmentSchema } from "../model/manifest.ts";
import { logFileNumber } from "../model/position.ts";
import type { StoredDocument } from "./backups.ts";
import { readJson } from "./json-column.ts";
import type { CatalogDb, CatalogSchema } from "./schema.ts";

type PieceRow = Selectable<CatalogSchema["logPiece"]>;

/** A piece without its index and hashes: what coverage is computed from. */
export type PieceSpan = Pick<
  PieceRow,
  "id" | "timeline" | "repository" | "kind" | "file" | "fileNumber" | "startPosition" | "endPosition" | "storedBytes" | "firstStampS" | "lastStampS"
> & { closesFile: boolean };

/** The row of a piece: everything in it follows from the stored document. */
export function pieceRow(segment: LogSegment, stored: { repository: string; document: StoredDocument }): PieceRow {
  return {
    id: segment.segmentId,
    instanceId: segment.instanceId,
    timeline: segment.timeline,
    repository: stored.repository,
    kind: segment.kind,
    file: segment.file,
    fileNumber: logFileNumber(segment.file),
    startPosition: segment.startPosition,
    endPosition: segment.endPosition,
    closesFile: segment.closesFile ? 1 : 0,
    storedBytes: segment.object.sizeBytes + segment.index.sizeBytes,
    groupCount: segment.groupCount,
    firstStampS: segment.firstStampS,
    lastStampS: segment.lastStampS,
    committedAt: segment.arrivals.at(-1)?.at ?? "",
    segment: JSON.stringify(segment),
    documentBytes: stored.document.sizeBytes,
    documentSha256: stored.document.sha256,
  };
}

/** Does nothing when a piece of this id is there. */
export async function insertPiece(db: CatalogDb, row: PieceRow): Promise<void> {
  await db
    .insertInto("logPiece")
    .values(row)
    .onConflict((conflict) => conflict.column("id").doNothing())
    .execute();
}

export async function deletePieces(db: CatalogDb, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await db.deleteFrom("logPiece").where("id", "in", ids).execute();
}

function refOf(row: { repository: string; segment: string }): SegmentRef {
  const segment = readJson(logSegmentSchema, row.segment, "logPiece.segment");
  return { repository: row.repository, prefix: logPrefix(segment.instanceId, segment.timeline), segment };
}

export async function getPiece(db: CatalogDb, segmentId: string): Promise<SegmentRef | null> {
  const row = await db.selectFrom("logPiece").select(["repository", "segment"]).where("id", "=", segmentId).executeTakeFirst();
  return row === undefined ? null : refOf(row);
}

/** All pieces of an instance in log order, timelines oldest first; small rows, for coverage. */
export async function pieceSpans(db: CatalogDb, instanceId: string, timeline?: string): Promise<PieceSpan[]> {
  const rows = await db
    .selectFrom("logPiece")
    .select(["id", "timeline", "repository", "kind", "file", "fileNumber", "startPosition", "endPosition", "storedBytes", "firstStampS", "lastStampS", "closesFile"])
    .where("instanceId", "=", instanceId)
    .$if(timeline !== undefined, (query) => query.where("timeline", "=", timeline ?? ""))
    .orderBy("timeline")
    .orderBy("fileNumber")
    .orderBy("startPosition")
    .execute();
  return rows.map((row) => ({ ...row, closesFile: row.closesFile !== 0 }));
}

function piecesOf(db: CatalogDb, { instanceId, timeline }: { instanceId: string; timeline: string }) {
  return db.selectFrom("logPiece").select(["repository", "segment"]).where("instanceId", "=", instanceId).where("timeline", "=", timeline);
}

/** Pieces of one timeline in log order, from file number `fromFile` on; whole documents, for plans. */
export async function piecesFrom(db: CatalogDb, place: { instanceId: string; timeline: string; fromFile: number }): Promise<SegmentRef[]> {
  const rows = await piecesOf(db, place).where("fileNumber", ">=", place.fromFile).orderBy("fileNumber").orderBy("startPosition").execute();
  return rows.map(refOf);
}

/** Pieces of the newest file that is stored on a timeline, in order; empty when nothing is stored. */
export async function piecesOfNewestFile(db: CatalogDb, instanceId: string, timeline: string): Promise<SegmentRef[]> {
  const newest = await db
    .selectFrom("logPiece")
    .select("fileNumber")
    .where("instanceId", "=", instanceId)
    .where("timeline", "=", timeline)
    .orderBy("fileNumber", "desc")
    .limit(1)
    .executeTakeFirst();
  return newest === undefined ? [] : piecesFrom(db, { instanceId, timeline, fromFile: newest.fileNumber });
}

/** Pieces of one file that share bytes with [start, end). */
export async function piecesOverlapping(
  db: CatalogDb,
  range: { instanceId: string; timeline: string; fileNumber: number; startPosition: number; endPosition: number },
): Promise<SegmentRef[]> {
  const rows = await piecesOf(db, range)
    .where("fileNumber", "=", range.fileNumber)
    .where("startPosition", "<", range.endPosition)
    .where("endPosition", ">", range.startPosition)
    .orderBy("startPosition")
    .execute();
  return rows.map(refOf);
}

/** Pieces of a repository with their stored documents, in order of id, for checks; `after` is the last id already seen. */
export async function piecesOfRepository(db: CatalogDb, repository: string, page: { after: string; limit: number }): Promise<(SegmentRef & { document: StoredDocument })[]> {
  const rows = await db
    .selectFrom("logPiece")
    .select(["repository", "segment", "documentBytes", "documentSha256"])
    .where("repository", "=", repository)
    .where("id", ">", page.after)
    .orderBy("id")
    .limit(page.limit)
    .execute();
  return rows.map((row) => ({ ...refOf(row), document: { sizeBytes: row.documentBytes, sha256: row.documentSha256 } }));
}

export async function pieceTotals(db: CatalogDb, repository: string): Promise<{ count: number; storedBytes: number }> {
  const row = await db
    .selectFrom("logPiece")
    .select((eb) => [eb.fn.countAll<number>().as("count"), eb.fn.sum<number | null>("storedBytes").as("storedBytes")])
    .where("repository", "=", repository)
    .executeTakeFirst();
  return { count: row?.count ?? 0, storedBytes: row?.storedBytes ?? 0 };
}
