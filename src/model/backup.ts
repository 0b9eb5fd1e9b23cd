import { z } from "zod";
import { backupFactsSchema, backupKindSchema, backupOriginSchema, logSegmentSchema, storedPartSchema } from "./manifest.ts";
import { logPositionSchema } from "./position.ts";
import { tierSchema } from "./policy.ts";
import { idSchema, isoTimeSchema, nameSchema, sizeBytesSchema } from "./scalars.ts";

export const holdSchema = z.object({ holdId: idSchema, reason: z.string(), by: z.string(), at: isoTimeSchema });
export type Hold = z.infer<typeof holdSchema>;

/** A committed backup as the catalog and the API know it. */
export const backupSchema = z.object({
  backupId: idSchema,
  instanceId: idSchema,
  instanceName: z.string(),
  policy: z.string(),
  jobId: idSchema,
  repository: nameSchema,
  ...backupOriginSchema.shape,
  committedAt: isoTimeSchema,
  streamBytes: sizeBytesSchema,
  storedBytes: sizeBytesSchema,
  packCount: z.number().int(),
  facts: backupFactsSchema,
  /** The backup that this one was resealed from, as it was taken; absent where this one was taken itself. */
  resealedFrom: idSchema.optional(),
  holds: z.array(holdSchema),
  /** The newest verification; null while there was none. */
  verification: z.object({ verificationId: idSchema, tier: tierSchema, status: z.enum(["passed", "failed"]), at: isoTimeSchema }).nullable(),
});
export type Backup = z.infer<typeof backupSchema>;

/** Whether `a` holds a later state than `b`, or the same one stored later: the id of a resealed backup says only when it was sealed. */
export function isTakenLater(a: Pick<Backup, "backupId" | "resealedFrom">, b: Pick<Backup, "backupId" | "resealedFrom">): boolean {
  const [takenA, takenB] = [a.resealedFrom ?? a.backupId, b.resealedFrom ?? b.backupId];
  return takenA > takenB || (takenA === takenB && a.backupId > b.backupId);
}

/** What a reader of a backup needs to know of it; orders carry it, so that agents read no manifests. */
export const backupRefSchema = z.object({
  backupId: idSchema,
  kind: backupKindSchema,
  parentId: idSchema.nullable(),
  repository: nameSchema,
  /** Key prefix, with the trailing slash; the parts' names are relative to it. */
  prefix: z.string(),
  streamFormat: z.string(),
  streamBytes: sizeBytesSchema,
  packs: z.array(storedPartSchema),
  index: storedPartSchema,
  facts: backupFactsSchema,
});
export type BackupRef = z.infer<typeof backupRefSchema>;

export const segmentRefSchema = z.object({ repository: nameSchema, prefix: z.string(), segment: logSegmentSchema });
export type SegmentRef = z.infer<typeof segmentRefSchema>;

/** One unbroken run of the log: every instant between the two places can be reached from a backup inside it. */
export const coverageIntervalSchema = z.object({
  timeline: idSchema,
  from: logPositionSchema,
  to: logPositionSchema,
  /** Stamps nearest to both ends, for people; null when no group lies there. */
  fromTime: isoTimeSchema.nullable(),
  toTime: isoTimeSchema.nullable(),
  sizeBytes: sizeBytesSchema,
  pieceCount: z.number().int(),
  /** Backups whose log position lies in this interval: where a restore can start. */
  backupIds: z.array(idSchema),
});
export type CoverageInterval = z.infer<typeof coverageIntervalSchema>;

export const coverageGapSchema = z.object({
  timeline: idSchema,
  /** Last place that is stored, and the first one after the hole; null when nothing follows. */
  after: logPositionSchema,
  before: logPositionSchema.nullable(),
  message: z.string(),
});
export type CoverageGap = z.infer<typeof coverageGapSchema>;

export const coverageSchema = z.object({ instanceId: idSchema, intervals: z.array(coverageIntervalSchema), gaps: z.array(coverageGapSchema) });
export type Coverage = z.infer<typeof coverageSchema>;
