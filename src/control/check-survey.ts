import { unfinishedBackupAttempts } from "../catalog/attempts.ts";
import { doomedKeys, grantedKeys, listPendingPieces } from "../catalog/pieces-in-work.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import type { CheckDepth, CheckFinding, CheckResult, ExpectedObject } from "../model/check.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Signed } from "../lib/signing.ts";
import { backupPrefix, type LogSegment, REPOSITORY_MARK_KEY, segmentKey } from "../model/manifest.ts";
import { readRepositoryMark } from "../storage/repository-mark.ts";
import { judgeStranger } from "./check-documents.ts";
import { documentOwner, expectedObjects } from "./check-expected.ts";
import { TRIAL_PREFIX } from "./doctor-repository.ts";
import { openRepository } from "./open-repository.ts";
import { type ControlPorts, storageOf } from "./ports.ts";

/** A write that goes on touches its file; what was not touched for a day is nobody's. */
const LEFTOVER_AGE_MS = 24 * 3_600_000;

export interface Survey {
  readonly expected: ReadonlyMap<string, ExpectedObject>;
  /** Of what is expected: missing, or of another size. */
  readonly seen: ReadonlyMap<string, CheckFinding>;
  readonly unknown: CheckResult["unknown"];
  readonly forged: readonly CheckFinding[];
  /** Documents that were found to be this installation's own and are expected from now on. */
  readonly adopted: readonly { key: string; text: string }[];
}

/**
 * Refuses to conclude anything from a place that is not the repository: a disk that is not mounted lacks every object.
 * OBJECT_NOT_FOUND without the mark, FORMAT_INVALID or REPOSITORY_FOREIGN for another one.
 */
export async function requireRepositoryThere(ports: ControlPorts, repository: string): Promise<void> {
  const storage = storageOf(ports, repository);
  if ((await readRepositoryMark(storage)) === null) {
    throw new HoldfastError("OBJECT_NOT_FOUND", `${REPOSITORY_MARK_KEY} is not in ${storage.describe()}: nothing is concluded about the objects of repository ${repository}.`, {
      hint: "See that the repository's disk is mounted there, then run the check again: it goes on where it was.",
    });
  }
  await openRepository(ports, storage);
}

/**
 * Compares one listing of a repository with the catalog: what is missing or of another size, and what nobody knows. It
 * reads nothing but, at depth `hash`, documents that nobody expects. Work that goes on meanwhile makes no differences:
 * the catalog is read after the listing, source states before the states that follow them, and doubts are looked at again.
 */
export async function surveyRepository(ports: ControlPorts, repository: string, depth: CheckDepth): Promise<Survey> {
  await requireRepositoryThere(ports, repository);
  const { db } = ports.catalog;
  const storage = storageOf(ports, repository);
  const listed = new Map<string, number>();
  for await (const { key, sizeBytes } of storage.list("")) listed.set(key, sizeBytes);
  const isInWork = await workUnderWay(db, repository);
  const expected = await mapOfExpected(db, repository);
  const seen = await missingOrResized(ports, repository, { listed, expected });
  const strangers = await confirmedStrangers(ports, repository, [...listed.keys()].filter((key) => !expected.has(key) && !isInWork(key)));
  return { expected, seen, ...(await judged(ports, repository, { strangers, listed, depth })) };
}

async function mapOfExpected(db: CatalogDb, repository: string): Promise<Map<string, ExpectedObject>> {
  return new Map((await expectedObjects(db, repository)).map((object) => [object.key, object]));
}

/** Tells the objects of attempts that run, or that the sweep or the doctor has still to delete. */
async function workUnderWay(db: CatalogDb, repository: string): Promise<(key: string) => boolean> {
  const prefixes = (await unfinishedBackupAttempts(db, repository)).map(({ id, instanceId }) => backupPrefix(instanceId, id));
  const keys = new Set(await grantedKeys(db, repository));
  for (const pending of await listPendingPieces(db)) {
    const { instanceId, timeline, segmentId } = (JSON.parse(pending.document) as Signed<LogSegment>).body;
    keys.add(segmentKey(instanceId, timeline, segmentId));
  }
  const known = new Set(prefixes);
  return (key) => key.startsWith(TRIAL_PREFIX) || keys.has(key) || known.has(key.slice(0, key.lastIndexOf("/") + 1));
}

async function missingOrResized(ports: ControlPorts, repository: string, at: { listed: ReadonlyMap<string, number>; expected: ReadonlyMap<string, ExpectedObject> }): Promise<Map<string, CheckFinding>> {
  const storage = storageOf(ports, repository);
  const seen = new Map<string, CheckFinding>();
  for (const { key, owner, sizeBytes } of at.expected.values()) {
    if (at.listed.get(key) === sizeBytes) continue;
    // A listing may lag behind; an answer about one key does not.
    const found = await storage.stat(key);
    if (found?.sizeBytes === sizeBytes) continue;
    if (found === null) seen.set(key, { key, owner, problem: "missing", detail: "it is not in the repository" });
    else seen.set(key, { key, owner, problem: "size", detail: `it has ${String(found.sizeBytes)} bytes, not ${String(sizeBytes)}` });
  }
  if (seen.size === 0) return seen;
  // A tail that was merged meanwhile is gone by right.
  const still = await mapOfExpected(ports.catalog.db, repository);
  for (const key of seen.keys()) if (!still.has(key)) seen.delete(key);
  return seen;
}

async function confirmedStrangers(ports: ControlPorts, repository: string, keys: readonly string[]): Promise<string[]> {
  if (keys.length === 0) return [];
  const { db } = ports.catalog;
  const isInWork = await workUnderWay(db, repository);
  const expected = await mapOfExpected(db, repository);
  const doomed = new Set(await doomedKeys(db, repository));
  const strangers: string[] = [];
  for (const key of keys) {
    if (expected.has(key) || doomed.has(key) || isInWork(key)) continue;
    if ((await storageOf(ports, repository).stat(key)) !== null) strangers.push(key);
  }
  return strangers;
}

async function judged(
  ports: ControlPorts,
  repository: string,
  found: { strangers: readonly string[]; listed: ReadonlyMap<string, number>; depth: CheckDepth },
): Promise<Pick<Survey, "unknown" | "forged" | "adopted">> {
  const unknown: CheckResult["unknown"] = [];
  const forged: CheckFinding[] = [];
  const adopted: { key: string; text: string }[] = [];
  for (const key of found.strangers) {
    const sizeBytes = found.listed.get(key) ?? 0;
    if (!key.endsWith(".json") || found.depth === "size") {
      if (!isOwnDocumentUnread(key, found.depth)) unknown.push({ key, sizeBytes, detail: guess(key) });
      continue;
    }
    const stranger = await judgeStranger(ports, repository, key);
    if (stranger.kind === "ours") adopted.push({ key, text: stranger.text });
    if (stranger.kind === "unknown") unknown.push({ key, sizeBytes, detail: stranger.detail });
    if (stranger.kind === "forged") forged.push({ key, owner: documentOwner(repository, key), problem: "forged", detail: stranger.detail });
  }
  for (const path of await storageOf(ports, repository).leftovers({ olderThanMs: LEFTOVER_AGE_MS, remove: false })) unknown.push({ key: path, sizeBytes: 0, detail: "a write that was never finished" });
  return { unknown, forged, adopted };
}

/** What only its content can tell is not called unknown by a check that reads nothing. */
function isOwnDocumentUnread(key: string, depth: CheckDepth): boolean {
  return depth === "size" && (key === REPOSITORY_MARK_KEY || (key.startsWith("_control/") && key.endsWith(".json")));
}

function guess(key: string): string {
  if (/\/backups\/[^/]+\/manifest\.json$/.test(key)) return "the manifest of a backup that the catalog does not know";
  if (key.includes("/backups/")) return "of an attempt that came to nothing, or of a backup that the catalog does not know";
  if (key.includes("/logs/")) return "of a piece of log that the catalog does not know";
  return "nothing that Holdfast has stored";
}
