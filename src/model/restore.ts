import { z } from "zod";
import { backupRefSchema, coverageGapSchema, segmentRefSchema } from "./backup.ts";
import { logGroupSchema } from "./log-groups.ts";
import { logPositionSchema } from "./position.ts";
import { phaseSchema } from "./verification.ts";
import { idSchema, isoTimeSchema, sizeBytesSchema } from "./scalars.ts";

/** How far a restore goes. A time is resolved to a position; replay never stops by a clock. */
export const restoreGoalSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("latest") }),
  z.strictObject({ kind: z.literal("time"), at: isoTimeSchema }),
  z.strictObject({ kind: z.literal("gtid"), gtid: z.string().min(1) }),
  z.strictObject({ kind: z.literal("position"), file: z.string().min(1), position: z.number().int().nonnegative() }),
  /** Exactly this backup, no log. */
  z.strictObject({ kind: z.literal("backup"), backupId: idSchema }),
]);
export type RestoreGoal = z.infer<typeof restoreGoalSchema>;

/** Where replay stops: before the group that begins at `position` of `file`. */
export const stopPointSchema = z.object({
  file: z.string(),
  position: z.number().int().nonnegative(),
  /** The last group inside and the first one outside; null at either end of the log. */
  lastGroup: logGroupSchema.nullable(),
  nextGroup: logGroupSchema.nullable(),
  /** What a clock cannot decide here, in sentences. */
  doubts: z.array(z.string()),
});
export type StopPoint = z.infer<typeof stopPointSchema>;

export const planStepSchema = z.object({
  name: z.string(),
  description: z.string(),
  bytes: sizeBytesSchema,
  /** From measured history; null when nothing like it was measured yet. */
  expectedMs: z.number().nullable(),
});
export type PlanStep = z.infer<typeof planStepSchema>;

/** A backup (`backup:<id>`) or piece of log (`segment:<id>`) that is not used because it is damaged in storage. */
export const passedOverSchema = z.object({ subject: z.string(), message: z.string() });
export type PassedOver = z.infer<typeof passedOverSchema>;

export const restorePlanSchema = z.object({
  instanceId: idSchema,
  instanceName: z.string(),
  engine: z.string(),
  goal: restoreGoalSchema,
  /** Full first, then its incrementals in order. */
  chain: z.array(backupRefSchema).min(1),
  /** In log order; empty when no log is replayed. */
  segments: z.array(segmentRefSchema),
  /** Where replay starts in the log; null when no log is replayed. */
  start: logPositionSchema.nullable(),
  stop: stopPointSchema.nullable(),
  gaps: z.array(coverageGapSchema),
  steps: z.array(planStepSchema),
  bytesToFetch: sizeBytesSchema,
  expectedMs: z.number().nullable(),
  warnings: z.array(z.string()),
  /** What would have been used if it were whole; each is named in `warnings` too. */
  passedOver: z.array(passedOverSchema).default([]),
});
export type RestorePlan = z.infer<typeof restorePlanSchema>;

/** What to do with the restored data. */
export const restoreTargetSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("directory"),
    path: z.string().startsWith("/"),
    /** Leave a server running on it, reachable by a socket in it. */
    start: z.boolean().default(false),
  }),
  z.strictObject({
    kind: z.literal("table"),
    schema: z.string().min(1),
    table: z.string().min(1),
    /** SQL file to write; must not exist. */
    sqlPath: z.string().startsWith("/").optional(),
    /** Another server to load it into, in the engine's connection form. */
    into: z.record(z.string(), z.unknown()).optional(),
  }),
]);
export type RestoreTarget = z.infer<typeof restoreTargetSchema>;

export const restoreResultSchema = z.object({
  targetPath: z.string(),
  /** Place in the log the data is at; null when no log is known. */
  reached: logPositionSchema.nullable(),
  phases: z.array(phaseSchema),
  totalMs: z.number(),
  /** How to reach the server that was left running; null when none was. */
  server: z.object({ socket: z.string(), pid: z.number().int(), user: z.string() }).nullable(),
  notes: z.array(z.string()),
});
export type RestoreResult = z.infer<typeof restoreResultSchema>;
