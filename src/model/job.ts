import { z } from "zod";
import { backupRefSchema, segmentRefSchema } from "./backup.ts";
import { checkDepthSchema, expectedObjectSchema, extentSchema } from "./check.ts";
import { hookFailureSchema, hookNamesSchema } from "./hook.ts";
import { probeReportSchema } from "./instance.ts";
import { backupFactsSchema, backupKindSchema, logSegmentSchema, storedPartSchema } from "./manifest.ts";
import { logPositionSchema } from "./position.ts";
import { assertionSchema, rowCountsSchema, tierSchema } from "./policy.ts";
import { restorePlanSchema, restoreResultSchema, restoreTargetSchema } from "./restore.ts";
import { tableCountSchema } from "./backup-index.ts";
import { errorRecordSchema, idSchema, isoTimeSchema, nameSchema, sha256Schema, sizeBytesSchema } from "./scalars.ts";
import { signedRecipientsSchema } from "./signed-recipients.ts";
import { phaseSchema, verificationResultSchema } from "./verification.ts";

export const jobKindSchema = z.enum(["backup", "ship", "restore", "verify", "probe", "check", "reseal"]);
export type JobKind = z.infer<typeof jobKindSchema>;

/** due → running → committing → succeeded | failed | cancelled. A job whose attempt is lost goes back to due. */
export const jobStateSchema = z.enum(["due", "running", "committing", "succeeded", "failed", "cancelled"]);
export type JobState = z.infer<typeof jobStateSchema>;

/** running → committing → committed | failed | cancelled | lost (its lease ran out). */
export const attemptStateSchema = z.enum(["running", "committing", "committed", "failed", "cancelled", "lost"]);
export type AttemptState = z.infer<typeof attemptStateSchema>;

export const progressSchema = z.object({
  phase: z.string(),
  doneBytes: sizeBytesSchema,
  totalBytes: sizeBytesSchema.nullable(),
  /** Plain bytes read and stored bytes written per second, over the last seconds. */
  rateInBytesPerS: z.number(),
  rateOutBytesPerS: z.number(),
  etaMs: z.number().nullable(),
  /** Ciphertext that waits on the agent's disk for the repository. */
  spoolBytes: sizeBytesSchema.optional(),
  message: z.string(),
});
export type Progress = z.infer<typeof progressSchema>;

/** How to seal: to whom, how hard. `metadataRecipient` is the server's own key, for indexes only. */
const sealingSchema = z.object({
  recipients: z.array(z.string()).min(1),
  metadataRecipient: z.string(),
  compressionLevel: z.number().int(),
  /** The same recipients with the signature of the organisation's key, where the configuration has it. */
  signed: signedRecipientsSchema.optional(),
});
export type Sealing = z.infer<typeof sealingSchema>;

export const backupOrderSchema = z.object({
  kind: z.literal("backup"),
  backupKind: backupKindSchema,
  /** What an incremental builds on; null for a full. */
  parent: z.object({ backupId: idSchema, toLsn: z.string(), dataIdentity: z.string(), flavour: z.string(), serverVersion: z.string() }).nullable(),
  sealing: sealingSchema,
  rowCounts: rowCountsSchema,
  heartbeat: z.boolean(),
  /** How long the tool may hold a lock that others wait for; without it there is no limit. */
  lockMaxMs: z.number().int().positive().optional(),
  /** Hooks by name; an agent refuses an order with one that its own file does not list. */
  hooks: z.object({ before: hookNamesSchema, after: hookNamesSchema }).optional(),
});

/** What is already stored of the file at which shipping goes on. */
export const shippedPieceSchema = z.object({
  segmentId: idSchema,
  kind: z.enum(["tail", "segment"]),
  file: z.string(),
  startPosition: z.number().int(),
  endPosition: z.number().int(),
  plainSha256: sha256Schema,
  gtidAfter: z.string(),
  closesFile: z.boolean(),
});
export type ShippedPiece = z.infer<typeof shippedPieceSchema>;

export const shipOrderSchema = z.object({
  kind: z.literal("ship"),
  sealing: sealingSchema,
  shipEveryMs: z.number().int(),
  mergeBytes: z.number().int(),
  /** Pieces of the newest file that is stored, in order; empty when nothing is stored on this timeline. */
  shipped: z.array(shippedPieceSchema),
  /** Where to begin when nothing is stored: the oldest backup's place; null for the server's current file. */
  startAt: logPositionSchema.nullable(),
  timeline: idSchema,
  dataIdentity: z.string().nullable(),
});

export const restoreOrderSchema = z.object({
  kind: z.literal("restore"),
  plan: restorePlanSchema,
  target: restoreTargetSchema,
});

export const verifyOrderSchema = z.object({
  kind: z.literal("verify"),
  tier: tierSchema,
  chain: z.array(backupRefSchema).min(1),
  segments: z.array(segmentRefSchema),
  /** T4: replay to here and compare with what the index recorded. Null when the log does not reach it yet or nothing was recorded. */
  replayTo: logPositionSchema.nullable(),
  checkTables: z.boolean(),
  assertions: z.array(assertionSchema),
  rowTolerance: z.number(),
  /** Counts of the last verified restore; empty when there was none. */
  previousCounts: z.array(tableCountSchema),
});

export const probeOrderSchema = z.object({ kind: z.literal("probe"), heartbeat: z.boolean() });

export const checkOrderSchema = z.object({
  kind: z.literal("check"),
  repository: nameSchema,
  depth: checkDepthSchema,
  /** What is to be read, in this order; empty when only sizes are compared, which the server does. */
  objects: z.array(expectedObjectSchema),
  /** What earlier attempts of this check have read. */
  before: extentSchema,
  /** How fast to read at most. */
  rateBytesPerS: z.number().int().positive().nullable(),
});

/** To seal the bytes of a backup anew, with keys of its own and to these recipients, under the attempt's prefix. */
export const resealOrderSchema = z.object({
  kind: z.literal("reseal"),
  source: backupRefSchema,
  /** What the new backup builds on; null for a full. */
  parentId: idSchema.nullable(),
  sealing: sealingSchema,
});

export const workSchema = z.discriminatedUnion("kind", [
  backupOrderSchema, shipOrderSchema, restoreOrderSchema, verifyOrderSchema, probeOrderSchema, checkOrderSchema, resealOrderSchema,
]); // prettier-ignore
export type Work = z.infer<typeof workSchema>;
export type BackupOrder = z.infer<typeof backupOrderSchema>;
export type ShipOrder = z.infer<typeof shipOrderSchema>;
export type RestoreOrder = z.infer<typeof restoreOrderSchema>;
export type VerifyOrder = z.infer<typeof verifyOrderSchema>;
export type CheckOrder = z.infer<typeof checkOrderSchema>;
export type ResealOrder = z.infer<typeof resealOrderSchema>;

/** Everything an agent needs to do one attempt. */
export const orderSchema = z.object({
  jobId: idSchema,
  attemptId: idSchema,
  /** Every call about this attempt carries it; an older one is refused. */
  fencingToken: z.number().int(),
  leaseMs: z.number().int(),
  heartbeatEveryMs: z.number().int(),
  instance: z.object({ id: idSchema, name: nameSchema, engine: z.string(), timeZone: z.string(), connection: z.record(z.string(), z.unknown()).nullable() }),
  /** The repository that this attempt writes to. */
  repository: nameSchema,
  work: workSchema,
});
export type Order = z.infer<typeof orderSchema>;

/** What an agent reports at the end of an attempt that went well. */
export const reportSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("backup"),
    packs: z.array(storedPartSchema).min(1),
    index: storedPartSchema,
    stream: z.object({ format: z.string(), sizeBytes: sizeBytesSchema }),
    facts: backupFactsSchema,
    phases: z.array(phaseSchema),
  }),
  z.object({ kind: z.literal("ship") }),
  z.object({ kind: z.literal("restore"), result: restoreResultSchema }),
  z.object({ kind: z.literal("verify"), result: verificationResultSchema }),
  z.object({ kind: z.literal("probe"), report: probeReportSchema }),
  /** What was read was reported on the way. */
  z.object({ kind: z.literal("check") }),
  z.object({ kind: z.literal("reseal"), packs: z.array(storedPartSchema).min(1), index: storedPartSchema, phases: z.array(phaseSchema) }),
]);
export type Report = z.infer<typeof reportSchema>;
export type BackupReport = Extract<Report, { kind: "backup" }>;
export type ResealReport = Extract<Report, { kind: "reseal" }>;

/** Hooks after the backup that failed, however the attempt ended; left out when none did. */
const told = { hookFailures: z.array(hookFailureSchema).optional() };

export const outcomeSchema = z.discriminatedUnion("status", [
  z.object({ status: z.literal("done"), report: reportSchema, ...told }),
  z.object({ status: z.literal("failed"), error: errorRecordSchema, ...told }),
  z.object({ status: z.literal("cancelled"), ...told }),
]);
export type Outcome = z.infer<typeof outcomeSchema>;

/** A new piece of log that an agent has stored and asks the server to commit. */
export const pieceReportSchema = logSegmentSchema.omit({ formatVersion: true, repositoryId: true, instanceId: true, timeline: true, arrivals: true }).extend({
  /** For a segment: the tails it replaces. */
  replaces: z.array(idSchema),
  dataIdentity: z.string(),
});
export type PieceReport = z.infer<typeof pieceReportSchema>;

export const attemptSchema = z.object({
  attemptId: idSchema,
  jobId: idSchema,
  number: z.number().int(),
  agent: z.string(),
  state: attemptStateSchema,
  startedAt: isoTimeSchema,
  endedAt: isoTimeSchema.nullable(),
  progress: progressSchema.nullable(),
  error: errorRecordSchema.nullable(),
});
export type Attempt = z.infer<typeof attemptSchema>;

export const jobSchema = z.object({
  jobId: idSchema,
  kind: jobKindSchema,
  instanceId: idSchema.nullable(),
  instanceName: z.string().nullable(),
  policy: z.string().nullable(),
  scheduledAt: isoTimeSchema,
  state: jobStateSchema,
  /** A few words for lists: `full`, `T4 of 01J…`. */
  subject: z.string(),
  createdAt: isoTimeSchema,
  endedAt: isoTimeSchema.nullable(),
  cancelRequested: z.boolean(),
  attempts: z.array(attemptSchema),
  error: errorRecordSchema.nullable(),
  /** Result of a restore, verification, probe or check; the backup id of a backup or reseal. */
  result: z.unknown(),
});
export type Job = z.infer<typeof jobSchema>;
