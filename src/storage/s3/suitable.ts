import { GetBucketVersioningCommand, GetObjectLockConfigurationCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { HoldfastError } from "../../lib/errors.ts";
import { UNFINISHED_FOLDER } from "../keys.ts";
import { isCode, isStatus } from "./errors.ts";
import { ask, type S3Place } from "./place.ts";

/** Below the folder that no driver shows, and always the same: written at most once in the life of a repository. */
const TRIAL_KEY = `${UNFINISHED_FOLDER}/write-once`;
const TRIAL_BODY = "Written twice by Holdfast, which must fail the second time.\n";

/**
 * Throws STORAGE_UNSUITABLE unless the bucket can be relied on: it has what `lock` needs, and an object that is there
 * cannot be written again. The second is tried, because stores that do not know the condition ignore it silently.
 */
export async function requireSuitable(place: S3Place): Promise<void> {
  if (place.lock !== undefined) await requireLock(place);
  const isFirst = await writeTrial(place);
  if (isFirst && (await writeTrial(place))) {
    throw new HoldfastError("STORAGE_UNSUITABLE", `The ${place.name} let an object be written a second time: it ignores the condition If-None-Match, so backups could be overwritten.`, {
      hint: "Use a store that knows conditional writes. Older Ceph knows them only in buckets without versioning.",
    });
  }
}

async function requireLock(place: S3Place): Promise<void> {
  const name = `The ${place.name}`;
  const versioning = await ask(place, { action: "asked for its versioning", name }, () => place.client.send(new GetBucketVersioningCommand({ Bucket: place.bucket })));
  const lock = await ask(place, { action: "asked for its locks", name }, () => place.client.send(new GetObjectLockConfigurationCommand({ Bucket: place.bucket })).catch(nullWithoutLock));
  const missing = [...(versioning.Status === "Enabled" ? [] : ["versioning"]), ...(lock?.ObjectLockConfiguration?.ObjectLockEnabled === "Enabled" ? [] : ["Object Lock"])];
  if (missing.length === 0) return;
  throw new HoldfastError("STORAGE_UNSUITABLE", `${name} has no ${missing.join(" and no ")}, which \`lock\` in the repository's options needs: nothing would keep backups from being deleted.`, {
    hint: "Make a new bucket with Object Lock (that turns versioning on), or take `lock` out of the repository's options.",
  });
}

function nullWithoutLock(error: unknown): null {
  if (isCode(error, "ObjectLockConfigurationNotFoundError") || isCode(error, "ObjectLockConfigurationNotFound") || isStatus(error, 501)) return null;
  throw error;
}

/** False when it was there already and stayed as it was. */
function writeTrial(place: S3Place): Promise<boolean> {
  const command = new PutObjectCommand({ Bucket: place.bucket, Key: `${place.prefix}${TRIAL_KEY}`, Body: TRIAL_BODY, IfNoneMatch: "*" });
  return ask(place, { action: "tried", name: `The ${place.name}` }, async () => {
    try {
      await place.client.send(command);
      return true;
    } catch (error) {
      if (isStatus(error, 412)) return false;
      throw error;
    }
  });
}
