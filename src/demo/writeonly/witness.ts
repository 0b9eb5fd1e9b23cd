import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { GetObjectCommand, GetObjectRetentionCommand, ListObjectVersionsCommand, type ObjectVersion } from "@aws-sdk/client-s3";
import { delay } from "../../lib/clock.ts";
import type { StoredObject } from "./intruder/plan.ts";
import type { Bucket } from "./stage.ts";

const SETTLE_LIMIT_MS = 120_000;
const POLL_MS = 200;

/** An object with all that must not change. */
export interface Kept extends StoredObject {
  /** In a bucket: this very version, and until when it is locked. */
  readonly versionId: string | null;
  readonly lockedUntil: string | null;
}

const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Reads every byte of the directory. */
export async function lookIntoDirectory(root: string): Promise<Kept[]> {
  const kept: Kept[] = [];
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const key = relative(root, path);
    if (!entry.isFile() || key.startsWith(".tmp/")) continue;
    const bytes = await readFile(path);
    kept.push({ repository: "directory", key, sizeBytes: bytes.byteLength, sha256: sha256Of(bytes), versionId: null, lockedUntil: null });
  }
  return kept;
}

/** Reads every byte of every locked version. */
export async function lookIntoBucket(bucket: Bucket): Promise<Kept[]> {
  const kept: Kept[] = [];
  for (const { Key = "", VersionId = "" } of await versionsOf(bucket)) {
    const version = { Bucket: bucket.place.bucket, Key, VersionId };
    // What tries whether the store writes once holds nothing and is not locked.
    if (Key.startsWith(".tmp/")) continue;
    const { Retention } = await bucket.admin.send(new GetObjectRetentionCommand(version));
    const { Body } = await bucket.admin.send(new GetObjectCommand(version));
    const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array();
    kept.push({ repository: "bucket", key: Key, sizeBytes: bytes.byteLength, sha256: sha256Of(bytes), versionId: VersionId, lockedUntil: Retention?.RetainUntilDate?.toISOString() ?? null });
  }
  return kept;
}

async function versionsOf({ admin, place }: Bucket): Promise<ObjectVersion[]> {
  const versions: ObjectVersion[] = [];
  let from: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {};
  for (;;) {
    const page = await admin.send(new ListObjectVersionsCommand({ Bucket: place.bucket, ...from }));
    versions.push(...(page.Versions ?? []));
    if (page.IsTruncated !== true) return versions;
    from = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker };
  }
}

/** What of the first look is not there any more, or is another, or is locked for less: sentences, none when nothing was lost. */
export function lost(before: readonly Kept[], after: readonly Kept[]): string[] {
  const placeOf = ({ repository, key, versionId }: Kept): string => `${repository} ${key} ${versionId ?? ""}`;
  const now = new Map(after.map((kept) => [placeOf(kept), kept]));
  return before.flatMap((kept) => {
    const found = now.get(placeOf(kept));
    const name = `${kept.repository}: ${kept.key}`;
    if (found === undefined) return [`${name} is gone`];
    if (found.sizeBytes !== kept.sizeBytes || found.sha256 !== kept.sha256) return [`${name} has another content`];
    if (kept.lockedUntil !== null && (found.lockedUntil === null || found.lockedUntil < kept.lockedUntil)) return [`${name} is locked for less`];
    return [];
  });
}

/**
 * Waits until the tails of a log file that has ended are merged, in each of these places: from then on nothing that is
 * stored goes away by itself. (In a bucket the tails stay as long as they are locked.)
 */
export async function untilMerged(look: () => Promise<readonly string[]>, logFile: string): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const documents = (await look()).map((text) => (JSON.parse(text) as { body?: { kind?: string; file?: string } }).body);
    if (documents.some((body) => body?.kind === "segment" && body.file === logFile)) return;
    if (waitedMs > SETTLE_LIMIT_MS) throw new Error(`the pieces of ${logFile} were not merged within ${String(SETTLE_LIMIT_MS / 1_000)} s`);
    await delay(POLL_MS);
  }
}

/** The signed documents beside the pieces of log. */
export async function logDocumentsOfDirectory(root: string): Promise<string[]> {
  const names = (await readdir(root, { recursive: true })).filter(isLogDocument);
  const texts = await Promise.all(names.map((name) => readFile(join(root, name), "utf8").catch(() => null)));
  return texts.filter((text) => text !== null);
}

export async function logDocumentsOfBucket(bucket: Bucket): Promise<string[]> {
  const keys = (await versionsOf(bucket)).filter(({ Key = "" }) => isLogDocument(Key));
  return Promise.all(
    keys.map(async ({ Key, VersionId }) => {
      const { Body } = await bucket.admin.send(new GetObjectCommand({ Bucket: bucket.place.bucket, Key, VersionId }));
      return (await Body?.transformToString()) ?? "{}";
    }),
  );
}

function isLogDocument(key: string): boolean {
  return key.includes("/logs/") && key.endsWith(".json");
}
