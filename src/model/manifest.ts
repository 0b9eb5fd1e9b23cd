import { z } from "zod";
import { logPositionSchema } from "./position.ts";
import { decimalSchema, idSchema, isoTimeSchema, sha256Schema, sizeBytesSchema } from "./scalars.ts";

export const FORMAT_VERSION = 1;
export const MANIFEST_KIND = "holdfast-manifest-v1";
export const SEGMENT_KIND = "holdfast-log-segment-v1";

/** One stored object as it lies in the repository; `name` is relative to the attempt's prefix. */
export const storedPartSchema = z.object({
  name: z.string().regex(/^[A-Za-z0-9.-]+$/),
  sizeBytes: sizeBytesSchema,
  sha256: sha256Schema,
  /** Bytes of plain text inside. */
  plainBytes: sizeBytesSchema,
});
export type StoredPart = z.infer<typeof storedPartSchema>;

/**
 * What an engine says of a backup, in the clear: positions and versions, never names of schemas or tables.
 * `fromLsn` of an incremental must equal its parent's `toLsn`.
 */
export const backupFactsSchema = z.object({
  flavour: z.string(),
  serverVersion: z.string(),
  toolVersion: z.string(),
  /** Identity of the data (see the engine); a child must have its parent's. */
  dataIdentity: z.string(),
  fromLsn: decimalSchema,
  toLsn: decimalSchema,
  /** Where the log goes on after this backup; null when the server keeps no log. */
  logPosition: logPositionSchema.nullable(),
  /** Where the counts and the marker in the index were taken; T4 replays to here. Null when nothing was recorded. */
  recordedPosition: logPositionSchema.nullable(),
  fileCount: z.number().int().nonnegative(),
});
export type BackupFacts = z.infer<typeof backupFactsSchema>;

export const backupKindSchema = z.enum(["full", "incremental"]);
export type BackupKind = z.infer<typeof backupKindSchema>;

/** What of a backup's origin its manifest, the catalog and the API all tell. */
export const backupOriginSchema = z.object({
  kind: backupKindSchema,
  /** Null for a full. */
  parentId: idSchema.nullable(),
  /** Id of the full at the root of the chain. */
  chainId: idSchema,
  timeline: idSchema,
  scheduledAt: isoTimeSchema,
  startedAt: isoTimeSchema,
  endedAt: isoTimeSchema,
});

/** Which backup a resealed one holds the very bytes of, as it was taken (never a copy of it), and since when. */
export const resealedSchema = z.object({ from: idSchema, at: isoTimeSchema });

/** The commit record of a backup: written last, by the server, signed. No names of tables. */
export const manifestSchema = z.object({
  formatVersion: z.literal(FORMAT_VERSION),
  repositoryId: idSchema,
  backupId: idSchema,
  jobId: idSchema,
  /** `createdAt` lets a rebuilt catalog say since when the instance is known. */
  instance: z.object({ id: idSchema, name: z.string(), engine: z.string(), createdAt: isoTimeSchema.optional() }),
  policy: z.string(),
  /** Times are those of the backup that was resealed. */
  ...backupOriginSchema.shape,
  stream: z.object({ format: z.string(), sizeBytes: sizeBytesSchema }),
  packs: z.array(storedPartSchema).min(1),
  index: storedPartSchema,
  recipients: z.array(z.string()).min(1),
  facts: backupFactsSchema,
  resealed: resealedSchema.optional(),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** A piece of the binary log in storage; the signed `.json` beside the object. No names of tables. */
export const logSegmentSchema = z.object({
  formatVersion: z.literal(FORMAT_VERSION),
  repositoryId: idSchema,
  segmentId: idSchema,
  instanceId: idSchema,
  timeline: idSchema,
  /** A tail is young and small and is replaced by the segment it is merged into. */
  kind: z.enum(["tail", "segment"]),
  file: z.string().min(1),
  /** Byte range of `file`: [startPosition, endPosition). The first piece of a file starts at 0, magic included. */
  startPosition: z.number().int().nonnegative(),
  endPosition: z.number().int().positive(),
  /** True when `file` ends here: the server rotated or stopped. */
  closesFile: z.boolean(),
  /** SHA-256 of the plain bytes. */
  plainSha256: sha256Schema,
  object: storedPartSchema,
  /** The encrypted list of transaction groups (see log-groups.ts). */
  index: storedPartSchema,
  groupCount: z.number().int().nonnegative(),
  /** Seconds since 1970 of the lowest and highest GTID stamp inside; null when there is no group. */
  firstStampS: z.number().int().nullable(),
  lastStampS: z.number().int().nullable(),
  /** GTID state before and after this piece, as the server writes it. */
  gtidBefore: z.string(),
  gtidAfter: z.string(),
  /** When the server of Holdfast had received everything up to `endPosition`. Stamps later than this are not believed. */
  arrivals: z.array(z.object({ endPosition: z.number().int(), at: isoTimeSchema })),
});
export type LogSegment = z.infer<typeof logSegmentSchema>;

/** `<repository>/holdfast.json`, written once. */
export const repositoryMarkSchema = z.object({
  formatVersion: z.literal(FORMAT_VERSION),
  repositoryId: idSchema,
  /** SHA-256 (hex) of the server's raw Ed25519 public key, and the key itself. */
  signingKeyFingerprint: sha256Schema,
  signingPublicKey: z.string(),
  createdAt: isoTimeSchema,
});
export type RepositoryMark = z.infer<typeof repositoryMarkSchema>;

/** Where things lie in a repository. Names are ids and are never parsed for meaning. */
export const REPOSITORY_MARK_KEY = "holdfast.json";
export const backupPrefix = (instanceId: string, backupId: string): string => `${instanceId}/backups/${backupId}/`;
export const manifestKey = (instanceId: string, backupId: string): string => `${backupPrefix(instanceId, backupId)}manifest.json`;
export const logPrefix = (instanceId: string, timeline: string): string => `${instanceId}/logs/${timeline}/`;
export const segmentKey = (instanceId: string, timeline: string, segmentId: string): string => `${logPrefix(instanceId, timeline)}${segmentId}.json`;
export const verificationKey = (verificationId: string): string => `_control/verifications/${verificationId}.json`;
export const holdKey = (holdId: string): string => `_control/holds/${holdId}.json`;
export const packName = (number: number): string => `${String(number).padStart(6, "0")}.zst.age`;
export const INDEX_NAME = "index.zst.age";
