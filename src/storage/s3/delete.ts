import { DeleteObjectsCommand, ListObjectVersionsCommand, type ObjectIdentifier, type _Error as DeleteError } from "@aws-sdk/client-s3";
import { HoldfastError } from "../../lib/errors.ts";
import { sideBySide } from "../../lib/side-by-side.ts";
import { objectsLocked } from "../locked-objects.ts";
import { headObject } from "./head.ts";
import { decodedKey } from "./list.ts";
import { ask, type S3Place } from "./place.ts";

/** What stores take in one request. */
const BATCH = 1_000;
const LOOKUPS_AT_ONCE = 16;

interface Version {
  readonly key: string;
  readonly versionId: string;
  /** False for a marker that only hides what lies below it. */
  readonly isData: boolean;
}

/**
 * Deletes every version of the keys by its id: a delete without one would only hide what is kept. Locked ones stay; when
 * there are any, OBJECT_LOCKED names them in `details.locks` after all others are gone.
 */
export async function deleteObjects(place: S3Place, keys: readonly string[]): Promise<void> {
  for (const key of keys) place.keyOf(key);
  const locked = new Map<string, number | null>();
  for (let from = 0; from < keys.length; from += BATCH) {
    const all = await versionsOfAll(place, keys.slice(from, from + BATCH));
    const versions = place.lock === undefined ? all : await withoutHeld(place, all, locked);
    for (let first = 0; first < versions.length; first += BATCH) await deleteVersions(place, versions.slice(first, first + BATCH), locked);
  }
  if (locked.size > 0) throw objectsLocked(place.name, [...locked].map(([key, lockedUntilMs]) => ({ key, lockedUntilMs })));
}

async function versionsOfAll(place: S3Place, keys: readonly string[]): Promise<Version[]> {
  const versions: Version[] = [];
  await sideBySide(keys, LOOKUPS_AT_ONCE, async (key) => {
    versions.push(...(await versionsOf(place, key)));
  });
  return versions;
}

/** All versions of one key, and what hides it. The key itself comes first among those that begin with it. */
export async function versionsOf(place: S3Place, key: string): Promise<Version[]> {
  const wanted = place.keyOf(key);
  const found: Version[] = [];
  let marker: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {};
  for (;;) {
    const request = new ListObjectVersionsCommand({ Bucket: place.bucket, Prefix: wanted, EncodingType: "url", ...marker });
    const page = await ask(place, { action: "looked at", name: place.nameOf(key) }, async () => {
      const answer = await place.client.send(request);
      if (answer.IsTruncated === undefined) throw new HoldfastError("STORAGE_FAILED", `A listing of the versions of ${place.nameOf(key)} came incomplete.`);
      return answer;
    });
    const entries = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])];
    const same = entries
      .filter((entry) => decodedKey(entry.Key ?? "", page.EncodingType) === wanted)
      .map((entry) => ({ key, versionId: entry.VersionId ?? "null", isData: "Size" in entry }));
    found.push(...same);
    if (page.IsTruncated !== true || same.length < entries.length || page.NextKeyMarker === undefined) return found;
    marker = { KeyMarker: decodedKey(page.NextKeyMarker, page.EncodingType), VersionIdMarker: page.NextVersionIdMarker };
  }
}

/** Not left to the store: there are some that forget a legal hold when the lock beside it has ended. */
async function withoutHeld(place: S3Place, versions: readonly Version[], locked: Map<string, number | null>): Promise<Version[]> {
  const free: Version[] = [];
  await sideBySide(versions, LOOKUPS_AT_ONCE, async (version) => {
    if (version.isData && (await headObject(place, version.key, version))?.isHeld === true) locked.set(version.key, null);
    else free.push(version);
  });
  return free;
}

async function deleteVersions(place: S3Place, versions: readonly Version[], locked: Map<string, number | null>): Promise<void> {
  const failures = await ask(place, { action: "deleted", name: `Objects in the ${place.name}` }, () => requestDeletes(place, versions));
  for (const { Key, VersionId, Code, Message } of failures) {
    const key = (Key ?? "").slice(place.prefix.length);
    const version = VersionId === undefined || VersionId === "" ? undefined : VersionId;
    const found = await headObject(place, key, { versionId: version }).catch(() => null);
    const isLocked = found !== null && (found.isHeld || (found.lockedUntilMs ?? 0) > Date.now());
    if (!isLocked) throw notDeleted(place, key, `${Code ?? "no reason"}: ${Message ?? ""}`);
    locked.set(key, found.isHeld ? null : found.lockedUntilMs);
  }
}

async function requestDeletes(place: S3Place, versions: readonly Version[]): Promise<DeleteError[]> {
  const objects: ObjectIdentifier[] = versions.map(({ key, versionId }) => ({ Key: place.keyOf(key), VersionId: versionId }));
  const { Deleted = [], Errors = [] } = await place.client.send(new DeleteObjectsCommand({ Bucket: place.bucket, Delete: { Objects: objects, Quiet: false } }));
  // An answer that was cut on its way must not pass for a deletion.
  if (Deleted.length + Errors.length < versions.length) throw new HoldfastError("STORAGE_FAILED", `The ${place.name} told of ${String(Deleted.length + Errors.length)} of ${String(versions.length)} objects that it was to delete.`);
  return Errors.filter(({ Code }) => Code !== "NoSuchKey" && Code !== "NoSuchVersion");
}

function notDeleted(place: S3Place, key: string, said: string): HoldfastError {
  return new HoldfastError("STORAGE_REFUSED", `${place.nameOf(key)} could not be deleted (${said}).`, { hint: "Give the server's credentials the right to delete versions, if Holdfast is to delete what is no longer needed." });
}
