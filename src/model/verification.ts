import { z } from "zod";
import { logPositionSchema } from "./position.ts";
import { tierSchema } from "./policy.ts";
import { idSchema, isoTimeSchema, sizeBytesSchema } from "./scalars.ts";

export const VERIFICATION_KIND = "holdfast-verification-v1";

/** One measured step of a restore or verification; what expected times are made of. */
export const phaseSchema = z.object({ name: z.string(), durationMs: z.number().nonnegative(), bytes: sizeBytesSchema });
export type Phase = z.infer<typeof phaseSchema>;

export const checkResultSchema = z.object({
  tier: tierSchema,
  name: z.string(),
  status: z.enum(["passed", "failed", "skipped"]),
  /** What was compared, in one sentence with numbers. */
  detail: z.string(),
  /** The first differences, when it failed; at most 50. */
  differences: z.array(z.string()),
});
export type CheckResult = z.infer<typeof checkResultSchema>;

/** What an agent's sandbox measured. */
export const verificationResultSchema = z.object({
  tier: tierSchema,
  status: z.enum(["passed", "failed"]),
  checks: z.array(checkResultSchema),
  phases: z.array(phaseSchema),
  /** Where replay stopped (T4). */
  replayedTo: logPositionSchema.nullable(),
  /** Row counts found at T3, kept as the bounds for the next one. */
  counts: z.array(z.object({ schema: z.string(), table: z.string(), rows: z.number() })),
  toolVersions: z.record(z.string(), z.string()),
});
export type VerificationResult = z.infer<typeof verificationResultSchema>;

/** The signed evidence: `_control/verifications/<id>.json`. Names of tables appear only in failed differences' hashes of the catalog, never here. */
export const verificationReportSchema = z.object({
  formatVersion: z.literal(1),
  verificationId: idSchema,
  repositoryId: idSchema,
  instance: z.object({ id: idSchema, name: z.string() }),
  backupId: idSchema,
  chain: z.array(idSchema),
  segmentIds: z.array(idSchema),
  tier: tierSchema,
  status: z.enum(["passed", "failed"]),
  startedAt: isoTimeSchema,
  endedAt: isoTimeSchema,
  checks: z.array(checkResultSchema),
  phases: z.array(phaseSchema),
  /** Measured: from the first byte fetched to a server that answers, and with replay. */
  restoreMs: z.number(),
  replayedTo: logPositionSchema.nullable(),
  toolVersions: z.record(z.string(), z.string()),
});
export type VerificationReport = z.infer<typeof verificationReportSchema>;

/** Something an audit or monitor found wrong; closes itself when gone. `subject` is `<noun>:<id>`. */
export const findingSchema = z.object({
  findingId: idSchema,
  kind: z.string(),
  subject: z.string(),
  severity: z.enum(["warning", "critical"]),
  message: z.string(),
  remedy: z.string(),
  openedAt: isoTimeSchema,
  closedAt: isoTimeSchema.nullable(),
});
export type Finding = z.infer<typeof findingSchema>;
