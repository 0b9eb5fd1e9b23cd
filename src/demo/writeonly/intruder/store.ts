import {
  DeleteBucketCommand, DeleteObjectCommand, DeleteObjectsCommand, GetBucketPolicyCommand, GetObjectCommand, ListBucketsCommand, ListObjectsV2Command, ListObjectVersionsCommand, PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand, PutBucketVersioningCommand, PutObjectCommand, PutObjectLegalHoldCommand, PutObjectLockConfigurationCommand, PutObjectRetentionCommand, type S3Client,
} from "@aws-sdk/client-s3";
import { request } from "node:https";
import { exchange } from "../../../lib/exchange.ts";
import { s3ClientOf } from "../../s3/s3-server.ts";
import { type Attempt, isRefusal } from "../attempt.ts";
import { answerOfStore } from "../store-answer.ts";

export interface StoreTarget {
  readonly endpoint: string;
  readonly bucket: string;
  readonly ca: string;
  readonly keys: readonly string[];
  readonly token: string;
}

/** A bucket is on the network: everybody can ask it. Without credentials, and with whatever looks like some. */
export function storeAttempts(target: StoreTarget): Attempt[] {
  const { endpoint, ca, token } = target;
  const withToken = s3ClientOf({ endpoint, accessKeyId: token.slice(0, 20), secretAccessKey: token }, ca);
  return [...anonymous(target), ...signedWith(withToken, target)];
}

function anonymous({ endpoint, bucket, ca, keys: [key = ""] }: StoreTarget): Attempt[] {
  const at = "bucket, no credentials";
  const { hostname, port } = new URL(endpoint);
  const asked: readonly (readonly [string, string, string])[] = [
    ["list buckets", "GET", "/"],
    ["list", "GET", `/${bucket}?list-type=2`],
    ["list versions", "GET", `/${bucket}?versions`],
    ["read a pack", "GET", `/${bucket}/${key}`],
    ["overwrite a pack", "PUT", `/${bucket}/${key}`],
    ["delete a pack", "DELETE", `/${bucket}/${key}`],
    ["delete its only version", "DELETE", `/${bucket}/${key}?versionId=null`],
    ["write something new", "PUT", `/${bucket}/rubbish`],
    ["let everything expire", "PUT", `/${bucket}?lifecycle`],
    ["shorten its lock", "PUT", `/${bucket}/${key}?retention`],
    ["open the bucket to everybody", "PUT", `/${bucket}?policy`],
    ["delete the bucket", "DELETE", `/${bucket}`],
  ];
  return asked.map(([what, method, path]) => ({
    at,
    what,
    run: async () => {
      const { status, text } = await exchange(request({ hostname, port, path, method, ca, agent: false, headers: { "content-length": "0" } }), undefined);
      return { refused: isRefusal(status), said: `${String(status)} ${/<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? ""}`.trim() };
    },
  }));
}

function signedWith(client: S3Client, { bucket, keys }: StoreTarget): Attempt[] {
  const Bucket = bucket;
  const Key = keys[0] ?? "";
  const soon = new Date(Date.now() + 60_000);
  const Rules = [{ ID: "all", Status: "Enabled" as const, Filter: { Prefix: "" }, Expiration: { Days: 1 }, NoncurrentVersionExpiration: { NoncurrentDays: 1 } }];
  const asked: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["list buckets", () => client.send(new ListBucketsCommand({}))],
    ["list", () => client.send(new ListObjectsV2Command({ Bucket }))],
    ["list versions", () => client.send(new ListObjectVersionsCommand({ Bucket }))],
    ["read a pack", () => client.send(new GetObjectCommand({ Bucket, Key }))],
    ["overwrite a pack", () => client.send(new PutObjectCommand({ Bucket, Key, Body: "gone" }))],
    ["write below another's prefix", () => client.send(new PutObjectCommand({ Bucket, Key: Key.replace(/[^/]+$/, "rubbish"), Body: "x" }))],
    ["delete a pack", () => client.send(new DeleteObjectCommand({ Bucket, Key }))],
    ["delete it with a bypass of its lock", () => client.send(new DeleteObjectCommand({ Bucket, Key, BypassGovernanceRetention: true }))],
    ["delete all packs at once", () => client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((one) => ({ Key: one })) } }))],
    ["shorten its lock", () => client.send(new PutObjectRetentionCommand({ Bucket, Key, Retention: { Mode: "COMPLIANCE", RetainUntilDate: soon } }))],
    ["make its lock one that can be bypassed", () => client.send(new PutObjectRetentionCommand({ Bucket, Key, BypassGovernanceRetention: true, Retention: { Mode: "GOVERNANCE", RetainUntilDate: soon } }))],
    ["lift a legal hold", () => client.send(new PutObjectLegalHoldCommand({ Bucket, Key, LegalHold: { Status: "OFF" } }))],
    ["let everything expire", () => client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }))],
    ["end versioning", () => client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Suspended" } }))],
    ["end locks for new objects", () => client.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: {} }))],
    ["read the bucket's policy", () => client.send(new GetBucketPolicyCommand({ Bucket }))],
    ["open the bucket to everybody", () => client.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: "*", Action: "s3:*", Resource: `arn:aws:s3:::${Bucket}/*` }] }) }))],
    ["delete the bucket", () => client.send(new DeleteBucketCommand({ Bucket }))],
  ];
  return asked.map(([what, send]) => ({ at: "bucket, the agent's token as credentials", what, run: () => answerOfStore(send) }));
}
