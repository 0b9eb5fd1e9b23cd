import { z } from "zod";
import { durationSchema } from "../lib/units.ts";
import { hookNamesSchema } from "./hook.ts";
import { nameSchema } from "./scalars.ts";

/** When something is due: a cron expression in the instance's zone, or an interval. */
export const scheduleSchema = z.union([
  z.strictObject({ cron: z.string().min(1).describe("Five or six cron fields, read in the instance's time zone, for example '0 2 * * 0'.") }),
  z.strictObject({ every: durationSchema.describe("An interval such as 6h, counted from the last scheduled instant.") }),
]);
export type Schedule = z.infer<typeof scheduleSchema>;

export const tierSchema = z.enum(["T0", "T1", "T2", "T3", "T4"]);
export type Tier = z.infer<typeof tierSchema>;
export const TIERS: readonly Tier[] = tierSchema.options;

/** An owner's own check: a query whose first column of its first row must equal `equals` (compared as text). */
export const assertionSchema = z.strictObject({
  name: z.string().min(1).describe("How reports call it."),
  sql: z.string().min(1).describe("A query, run on the restored server."),
  equals: z.union([z.string(), z.number(), z.boolean()]).transform(String).describe("What the first column of its first row must be, compared as text."),
});
export type Assertion = z.infer<typeof assertionSchema>;

export const rowCountsSchema = z.union([
  z.enum(["none", "all"]),
  z.strictObject({ underRows: z.number().int().positive().describe("Count only tables whose estimate is below this.") }),
]);
export type RowCounts = z.infer<typeof rowCountsSchema>;

export const policySchema = z.strictObject({
  full: scheduleSchema.describe("When a full backup is due."),
  incremental: scheduleSchema.optional().describe("When an incremental backup on the newest backup of the chain is due."),
  repository: nameSchema.describe("Where backups and logs go."),
  logs: z
    .strictObject({
      enabled: z.boolean().default(true).describe("Without the log only the backups themselves can be restored."),
      shipEvery: durationSchema.prefault("10s").describe("How long at most events wait before they are shipped."),
      mergeBytes: z.number().int().min(65_536).default(67_108_864).describe("A tail that passes this size is merged into a segment, in bytes."),
    })
    .prefault({})
    .describe("Continuous shipping of the binary log."),
  verification: z
    .strictObject({
      tier: tierSchema.default("T4").describe("How far a verification goes: T0 stored bytes ... T4 replay to a recorded position."),
      schedule: scheduleSchema.optional().describe("When the newest backup is verified; without it after every backup."),
      checkTables: z.boolean().default(true).describe("Run CHECK TABLE on every table."),
      assertions: z.array(assertionSchema).prefault([]).describe("The owner's own checks at T3."),
      rowTolerance: z.number().min(0).max(1).default(0.5).describe("T3: how far a table's row count may be from the last verified restore, as a share of it."),
    })
    .prefault({}),
  rowCounts: rowCountsSchema.default({ underRows: 10_000_000 }).describe("Which tables are counted at a recorded position, to be compared exactly at T4."),
  heartbeat: z.boolean().default(true).describe("Write a marker row into the source's own schema `holdfast`, to be checked at T4."),
  lockMax: durationSchema
    .refine((durationMs) => durationMs > 0, "must be more than nothing")
    .prefault("5m")
    .describe("A backup that holds its backup lock, or waits for it, for longer than this is ended."),
  lockFor: durationSchema.optional().describe("How long a backup and its log are locked from their commit on, in a repository with `lock`; that repository's `committedLock` unless told. What an incremental builds on is locked with it; the log needs its backup: add the time between two fulls."),
  hooks: z
    .strictObject({
      beforeBackup: hookNamesSchema.default([]).describe("Hooks that run in this order before the backup tool starts. One that fails ends the attempt: nothing is backed up."),
      afterBackup: hookNamesSchema.default([]).describe("Hooks that run in this order, each once, when the backup is stored or has failed. One that fails opens a finding; the backup stays."),
    })
    .optional()
    .describe("Names of hooks; what each runs stands in the file of the machine that takes the backup, under `hooks`."),
  recipients: z.array(z.string()).min(1).optional().describe("age recipients of this policy; without them those of `keys.recipients`."),
  compressionLevel: z.number().int().min(1).max(19).default(3).describe("zstd level."),
});
export type Policy = z.infer<typeof policySchema>;
