import {
  DeleteBucketCommand, DeleteObjectCommand, DeleteObjectsCommand, HeadObjectCommand, PutBucketLifecycleConfigurationCommand, PutBucketVersioningCommand, PutObjectRetentionCommand, type S3Client,
} from "@aws-sdk/client-s3";
import type { Answer, Attempt } from "./attempt.ts";
import { answerOfStore } from "./store-answer.ts";
import type { Kept } from "./witness.ts";

const DAY_MS = 86_400_000;

/** With the credentials that server and gateway have, which here may do all that the store lets anybody do. */
export function insiderAttempts(client: S3Client, bucket: string, objects: readonly Kept[]): Attempt[] {
  const ofObjects = objects.flatMap((object) => lockAttempts(client, bucket, object));
  return [...ofObjects, ...bucketAttempts(client, bucket, objects)];
}

function lockAttempts(client: S3Client, Bucket: string, { key, versionId, lockedUntil }: Kept): Attempt[] {
  const at = `bucket, the server's credentials: ${key.slice(key.lastIndexOf("/") + 1)}`;
  const version = { Bucket, Key: key, VersionId: versionId ?? "" };
  const BypassGovernanceRetention = true;
  const earlier = new Date(Date.parse(lockedUntil ?? "") - DAY_MS / 24);
  const retain = (Mode: "COMPLIANCE" | "GOVERNANCE", RetainUntilDate: Date) => ({ ...version, Retention: { Mode, RetainUntilDate } });
  const asked: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["delete the version", () => client.send(new DeleteObjectCommand(version))],
    ["delete it, bypassing governance", () => client.send(new DeleteObjectCommand({ ...version, BypassGovernanceRetention }))],
    ["delete it among many", () => client.send(new DeleteObjectsCommand({ Bucket, BypassGovernanceRetention, Delete: { Objects: [{ Key: key, VersionId: version.VersionId }] } }))],
    ["shorten the lock by an hour", () => client.send(new PutObjectRetentionCommand(retain("COMPLIANCE", earlier)))],
    ["shorten it, bypassing governance", () => client.send(new PutObjectRetentionCommand({ ...retain("COMPLIANCE", earlier), BypassGovernanceRetention }))],
    ["let it end in a minute", () => client.send(new PutObjectRetentionCommand({ ...retain("COMPLIANCE", new Date(Date.now() + 60_000)), BypassGovernanceRetention }))],
    ["make it one that can be bypassed", () => client.send(new PutObjectRetentionCommand({ ...retain("GOVERNANCE", new Date(Date.parse(lockedUntil ?? "") + DAY_MS)), BypassGovernanceRetention }))],
    ["take the lock away", () => client.send(new PutObjectRetentionCommand({ ...version, Retention: {}, BypassGovernanceRetention }))],
  ];
  return asked.map(([what, send]) => ({ at, what, run: () => answerOfStore(send) }));
}

function bucketAttempts(client: S3Client, Bucket: string, objects: readonly Kept[]): Attempt[] {
  const at = "bucket, the server's credentials: all of it";
  const Rules = [{ ID: "all", Status: "Enabled" as const, Filter: { Prefix: "" }, Expiration: { Days: 1 }, NoncurrentVersionExpiration: { NoncurrentDays: 1 } }];
  return [
    { at, what: "let a lifecycle rule expire everything", run: () => answerOfStore(() => client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }))) },
    { at, what: "suspend versioning", run: () => answerOfStore(() => client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Suspended" } }))) },
    { at, what: "delete the bucket", run: () => answerOfStore(() => client.send(new DeleteBucketCommand({ Bucket }))) },
    ...objects.slice(0, 1).map((object) => ({ at, what: `hide ${object.key.slice(object.key.lastIndexOf("/") + 1)} behind a delete marker for good`, run: () => hide(client, Bucket, object) })),
  ];
}

/** A delete marker is no deletion: the version stays, and whoever takes the marker away sees it again. */
async function hide(client: S3Client, Bucket: string, { key, versionId }: Kept): Promise<Answer> {
  const { VersionId } = await client.send(new DeleteObjectCommand({ Bucket, Key: key }));
  await client.send(new HeadObjectCommand({ Bucket, Key: key, VersionId: versionId ?? "" }));
  await client.send(new DeleteObjectCommand({ Bucket, Key: key, VersionId }));
  await client.send(new HeadObjectCommand({ Bucket, Key: key }));
  return { refused: true, said: "200, but the version stays; the marker was taken away" };
}
