import { HeadBucketCommand, HeadObjectCommand, type HeadObjectCommandOutput } from "@aws-sdk/client-s3";
import { HoldfastError } from "../../lib/errors.ts";
import { keptSha256, SHA256_METADATA } from "./answer-headers.ts";
import { isCode, isStatus, s3Error } from "./errors.ts";
import { ask, type S3Place, within } from "./place.ts";

export interface Head {
  readonly sizeBytes: number;
  /** SHA-256 (hex) that the store keeps: computed by itself, or signed for by the writer; null when there is none. */
  readonly sha256: string | null;
  readonly versionId: string | undefined;
  readonly lockMode: "COMPLIANCE" | "GOVERNANCE" | undefined;
  readonly lockedUntilMs: number | null;
  readonly isHeld: boolean;
}

/** What the store knows about an object, or about one version of it; null when there is none. STORAGE_UNSUITABLE when there is no bucket either. */
export function headObject(place: S3Place, key: string, more: { versionId?: string | undefined; signal?: AbortSignal | undefined } = {}): Promise<Head | null> {
  const { versionId, signal } = more;
  const command = { Bucket: place.bucket, Key: place.keyOf(key), ChecksumMode: "ENABLED" as const, ...(versionId === undefined ? {} : { VersionId: versionId }) };
  return ask(place, { action: "looked at", name: place.nameOf(key), signal }, async () => {
    try {
      return headFrom(place, key, await place.client.send(new HeadObjectCommand(command), within(signal)));
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
      // The answer to a HEAD has no body that could say what is missing.
      await requireBucket(place, signal);
      return null;
    }
  });
}

function headFrom(place: S3Place, key: string, found: HeadObjectCommandOutput): Head {
  const sizeBytes = found.ContentLength;
  if (sizeBytes === undefined) throw new HoldfastError("STORAGE_FAILED", `The store did not tell the size of ${place.nameOf(key)}.`);
  return {
    sizeBytes,
    sha256: keptSha256(found.ChecksumSHA256, found.Metadata?.[SHA256_METADATA]),
    versionId: found.VersionId,
    lockMode: found.ObjectLockMode,
    lockedUntilMs: found.ObjectLockRetainUntilDate?.getTime() ?? null,
    isHeld: found.ObjectLockLegalHoldStatus === "ON",
  };
}

const known = new WeakSet<S3Place>();

async function requireBucket(place: S3Place, signal: AbortSignal | undefined): Promise<void> {
  if (known.has(place)) return;
  try {
    await place.client.send(new HeadBucketCommand({ Bucket: place.bucket }), within(signal));
  } catch (error) {
    if (!isStatus(error, 404) && !isCode(error, "NoSuchBucket")) throw s3Error(error, "looked at", `The ${place.name}`);
    throw new HoldfastError("STORAGE_UNSUITABLE", `There is no bucket ${place.bucket}: the ${place.name} cannot be used.`, { cause: error, hint: "Create the bucket, or correct `bucket`, `region` and `endpoint` of the repository." });
  }
  known.add(place);
}
