import type { z } from "zod";
import { backupRow, insertBackup, type StoredDocument } from "../catalog/backups.ts";
import { insertHold, releaseHold } from "../catalog/holds.ts";
import { insertInstance, listInstances } from "../catalog/instances.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import { setRepositoryId } from "../catalog/repositories.ts";
import { insertPiece, pieceRow } from "../catalog/segments.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { insertTimeline, setTimelineIdentity } from "../catalog/timelines.ts";
import { insertVerification } from "../catalog/verifications.ts";
import type { Clock } from "../lib/clock.ts";
import { isoTime } from "../lib/clock.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { Frozen } from "../model/frozen.ts";
import { HOLD_KIND, HOLD_RELEASE_KIND, holdDocumentSchema, holdReleaseDocumentSchema, holdReleaseKey } from "../model/hold.ts";
import { holdKey, logPrefix, logSegmentSchema, type LogSegment, type Manifest, MANIFEST_KIND, manifestKey, manifestSchema, type RepositoryMark, SEGMENT_KIND, segmentKey, verificationKey } from "../model/manifest.ts"; // prettier-ignore
import { VERIFICATION_KIND, verificationReportSchema } from "../model/verification.ts";
import { readRepositoryMark } from "../storage/repository-mark.ts";
import type { Storage } from "../storage/storage.ts";
import { freeze } from "./frozen.ts";
import { DEFAULT_SETTINGS } from "./ports.ts";
import { doomReplaced } from "./replaced-tails.ts";
import { documentFacts, readDocument } from "./stored-document.ts";
import { verifiedDocument } from "./verified-document.ts";

export interface Rebuilt {
  readonly backups: number;
  readonly segments: number;
  readonly verifications: number;
  readonly holds: number;
  /** `key: why` of every document that was not imported. */
  readonly refused: string[];
  /** What should be stored and is not, in whole sentences: nothing ever deletes what is held or built upon. */
  readonly missing: string[];
}

export interface RebuildFrom {
  readonly db: CatalogDb;
  /** The repository's name in the configuration. */
  readonly repository: string;
  readonly storage: Storage;
  /** Of the signing key whose documents are to be believed. */
  readonly expectedFingerprint: string;
  /** What to say of the catalog afterwards; `rebuilt` unless told. */
  readonly why?: Frozen["why"];
  readonly clock: Clock;
  readonly log: Log;
}

/** A document whose signature, schema, place and repository are what they should be. */
type Found =
  | { readonly kind: "backup"; readonly manifest: Manifest; readonly document: StoredDocument }
  | { readonly kind: "segment"; readonly segment: LogSegment; readonly document: StoredDocument }
  | { readonly kind: "verification"; readonly report: z.infer<typeof verificationReportSchema>; readonly text: string }
  | { readonly kind: "hold"; readonly hold: z.infer<typeof holdDocumentSchema> }
  | { readonly kind: "release"; readonly release: z.infer<typeof holdReleaseDocumentSchema> };

/**
 * Fills a catalog from the signed documents of a repository: the same backups, chains and coverage as before it was
 * lost. Forged, damaged and misplaced documents are named and not imported. The catalog is `frozen` afterwards: nothing
 * is scheduled or deleted until a person has looked. REPOSITORY_FOREIGN when the repository has another signing key.
 */
export async function rebuildCatalog(from: RebuildFrom): Promise<Rebuilt> {
  const mark = await expectedMark(from);
  const refused: string[] = [];
  const found: Found[] = [];
  for await (const { key } of from.storage.list("")) {
    if (!isDocumentKey(key)) continue;
    try {
      const document = readFound(key, await readDocument(from.storage, key), mark);
      if (document !== null) found.push(document);
    } catch (error) {
      if (!isHoldfastError(error, "SIGNATURE_INVALID") && !isHoldfastError(error, "FORMAT_INVALID")) throw error;
      from.log.error({ key, code: error.code }, error.message);
      refused.push(`${key}: ${error.message}`);
    }
  }
  return importAll(from, mark, { found, refused });
}

/** The mark of a repository whose signing key has this fingerprint; NOT_FOUND without a mark, REPOSITORY_FOREIGN with another key. */
export async function expectedMark({ storage, expectedFingerprint }: Pick<RebuildFrom, "storage" | "expectedFingerprint">): Promise<RepositoryMark> {
  const mark = await readRepositoryMark(storage);
  if (mark === null) throw new HoldfastError("NOT_FOUND", `There is no repository at ${storage.describe()}: it has no holdfast.json.`);
  if (mark.signingKeyFingerprint === expectedFingerprint) return mark;
  throw new HoldfastError("REPOSITORY_FOREIGN", `The repository ${storage.describe()} belongs to the installation with signing key ${mark.signingKeyFingerprint}; expected was ${expectedFingerprint}.`);
}

function isDocumentKey(key: string): boolean {
  const [first, second] = key.split("/");
  if (!key.endsWith(".json")) return false;
  if (first === "_control") return second === "verifications" || second === "holds";
  return second === "logs" || (second === "backups" && key.endsWith("/manifest.json"));
}

/** The checked document; null for one whose kind this version does not import. */
function readFound(key: string, text: string, mark: RepositoryMark): Found | null {
  const { kind, body } = verifiedDocument(text, { key, publicKey: mark.signingPublicKey });
  const found = foundOf(kind, body, { key, text });
  if (found === null) return null;
  if (found.place !== key) throw new HoldfastError("FORMAT_INVALID", `${key} is refused: it belongs at ${found.place}.`);
  if (found.repositoryId !== mark.repositoryId) throw new HoldfastError("FORMAT_INVALID", `${key} is refused: it belongs to repository ${found.repositoryId}.`);
  return found.document;
}

function foundOf(kind: string, body: unknown, from: { key: string; text: string }): { document: Found; place: string; repositoryId: string } | null {
  switch (kind) {
    case MANIFEST_KIND: {
      const manifest = parse(manifestSchema, body, from.key);
      return { document: { kind: "backup", manifest, document: documentFacts(from.text) }, place: manifestKey(manifest.instance.id, manifest.backupId), repositoryId: manifest.repositoryId };
    }
    case SEGMENT_KIND: {
      const segment = parse(logSegmentSchema, body, from.key);
      return { document: { kind: "segment", segment, document: documentFacts(from.text) }, place: segmentKey(segment.instanceId, segment.timeline, segment.segmentId), repositoryId: segment.repositoryId };
    }
    case VERIFICATION_KIND: {
      const report = parse(verificationReportSchema, body, from.key);
      return { document: { kind: "verification", report, text: from.text }, place: verificationKey(report.verificationId), repositoryId: report.repositoryId };
    }
    case HOLD_KIND: {
      const hold = parse(holdDocumentSchema, body, from.key);
      return { document: { kind: "hold", hold }, place: holdKey(hold.holdId), repositoryId: hold.repositoryId };
    }
    case HOLD_RELEASE_KIND: {
      const release = parse(holdReleaseDocumentSchema, body, from.key);
      return { document: { kind: "release", release }, place: holdReleaseKey(release.holdId), repositoryId: release.repositoryId };
    }
    default:
      return null;
  }
}

function parse<T>(schema: z.ZodType<T>, body: unknown, key: string): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new HoldfastError("FORMAT_INVALID", `${key} is refused: this version cannot read it.`, { cause: parsed.error });
}

/** For each tail whose bytes a segment holds by now, that segment. The tails are kept for a while, and a crash may come before they go. */
function mergedTails(segments: readonly { readonly segment: LogSegment }[]): Map<LogSegment, LogSegment> {
  const whole = segments.map(({ segment }) => segment).filter(({ kind }) => kind === "segment");
  const byFile = Map.groupBy(whole, ({ timeline, file }) => `${timeline} ${file}`);
  const merged = new Map<LogSegment, LogSegment>();
  for (const { segment: piece } of segments) {
    const holder = (byFile.get(`${piece.timeline} ${piece.file}`) ?? []).find(({ startPosition, endPosition }) => startPosition <= piece.startPosition && endPosition >= piece.endPosition);
    if (piece.kind === "tail" && holder !== undefined) merged.set(piece, holder);
  }
  return merged;
}

async function importAll(from: RebuildFrom, mark: RepositoryMark, read: { found: readonly Found[]; refused: string[] }): Promise<Rebuilt> {
  const backups = read.found.filter((document) => document.kind === "backup");
  const pieces = read.found.filter((document) => document.kind === "segment");
  const merged = mergedTails(pieces);
  const segments = pieces.filter(({ segment }) => !merged.has(segment));
  const verifications = read.found.filter((document) => document.kind === "verification");
  const holds = read.found.filter((document) => document.kind === "hold");
  await inTransaction(from.db, async (db) => {
    await setRepositoryId(db, from.repository, mark.repositoryId);
    await importInstances(from, db, backups.map(({ manifest }) => manifest));
    for (const { manifest, document } of backups) {
      await importTimeline(from, db, { id: manifest.timeline, instanceId: manifest.instance.id, dataIdentity: manifest.facts.dataIdentity });
      await insertBackup(db, backupRow(manifest, { repository: from.repository, document }));
    }
    for (const { segment, document } of segments) {
      await importTimeline(from, db, { id: segment.timeline, instanceId: segment.instanceId, dataIdentity: null });
      await insertPiece(db, pieceRow(segment, { repository: from.repository, document }));
    }
    for (const [tail, holder] of merged) await doomMerged(from, db, { tail, holder });
    for (const { report, text } of verifications) await insertVerification(db, { report, document: text, counts: null });
    await importHolds(db, read.found);
    await freeze(db, { why: from.why ?? "rebuilt", at: isoTime(from.clock.nowMs()) });
  });
  return { backups: backups.length, segments: segments.length, verifications: verifications.length, holds: holds.length, refused: read.refused, missing: missingBackups(read.found) };
}

/** Whoever committed the segment is not known any more; the tails are kept anew for the whole time. */
async function doomMerged({ repository, clock }: RebuildFrom, db: CatalogDb, { tail, holder }: { tail: LogSegment; holder: LogSegment }): Promise<void> {
  const ref = { repository, prefix: logPrefix(tail.instanceId, tail.timeline), segment: tail };
  await doomReplaced(db, [ref], { segmentId: holder.segmentId, attemptId: null, untilMs: clock.nowMs() + DEFAULT_SETTINGS.keepReplacedMs });
}

function missingBackups(found: readonly Found[]): string[] {
  const manifests = found.filter((document) => document.kind === "backup").map(({ manifest }) => manifest);
  const stored = new Set(manifests.map(({ backupId }) => backupId));
  const released = new Set(found.filter((document) => document.kind === "release").map(({ release }) => release.holdId));
  const held = found.filter((document) => document.kind === "hold").map(({ hold }) => hold);
  return [
    ...manifests.flatMap(({ backupId, parentId }) => (parentId === null || stored.has(parentId) ? [] : [`The manifest of backup ${parentId} is not in this repository; ${backupId} builds on it.`])),
    ...held.filter(({ holdId, backupId }) => !released.has(holdId) && !stored.has(backupId)).map(({ backupId, by, at }) => `The manifest of backup ${backupId} is not in this repository; ${by} holds it since ${at}.`),
  ];
}

async function importTimeline(from: RebuildFrom, db: CatalogDb, timeline: { id: string; instanceId: string; dataIdentity: string | null }): Promise<void> {
  await insertTimeline(db, { ...timeline, createdAt: isoTime(from.clock.nowMs()) });
  if (timeline.dataIdentity !== null) await setTimelineIdentity(db, timeline.id, timeline.dataIdentity);
}

/** Instances as their newest manifests name them; the configuration fills in the rest when it is applied. */
async function importInstances(from: RebuildFrom, db: CatalogDb, manifests: readonly Manifest[]): Promise<void> {
  const present = await listInstances(db);
  const known = new Set(present.map(({ id }) => id));
  const names = new Set(present.map(({ name }) => name));
  const newestFirst = [...manifests].sort((a, b) => (a.backupId < b.backupId ? 1 : -1));
  for (const { instance, policy, startedAt } of newestFirst) {
    if (known.has(instance.id)) continue;
    known.add(instance.id);
    // An older instance that lost its name to a newer one keeps its backups under a name of its own.
    const name = names.has(instance.name) ? `${instance.name}-${instance.id.toLowerCase()}` : instance.name;
    names.add(name);
    await insertInstance(db, { id: instance.id, name, engine: instance.engine, policy, region: "local", timeZone: "UTC", owner: null, connection: {}, createdAt: instance.createdAt ?? startedAt, removedAt: null });
  }
}

async function importHolds(db: CatalogDb, found: readonly Found[]): Promise<void> {
  for (const document of found) {
    if (document.kind !== "hold") continue;
    const { holdId, backupId, reason, by, at } = document.hold;
    await insertHold(db, { holdId, backupId, reason, by, at, releasedAt: null, releasedBy: null });
  }
  for (const document of found) {
    if (document.kind === "release") await releaseHold(db, document.release.holdId, document.release.by, document.release.at);
  }
}
