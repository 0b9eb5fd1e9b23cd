import { z } from "zod";
import { backupSchema } from "../backup.ts";
import { jobSchema } from "../job.ts";
import { backupKindSchema, manifestSchema } from "../manifest.ts";
import { tierSchema } from "../policy.ts";
import { verificationReportSchema } from "../verification.ts";
import { idSchema, sizeBytesSchema } from "../scalars.ts";
import { pageInput, pageOutput } from "./page.ts";
import { route } from "./route.ts";

export const backupRoutes = {
  list: route({
    name: "backups.list",
    method: "GET",
    path: "/v1/backups",
    summary: "Committed backups, newest first.",
    role: "viewer",
    input: z.object({ instance: z.string().optional(), ...pageInput }),
    output: z.object({ backups: z.array(backupSchema), ...pageOutput }),
  }),
  show: route({
    name: "backups.show",
    method: "GET",
    path: "/v1/backups/:backupId",
    summary: "One backup with its manifest and verification reports.",
    role: "viewer",
    input: z.object({ backupId: idSchema }),
    output: z.object({ backup: backupSchema, manifest: manifestSchema, chain: z.array(backupSchema), reports: z.array(verificationReportSchema) }),
  }),
  run: route({
    name: "backups.run",
    method: "POST",
    path: "/v1/backups",
    summary: "Start a backup now. `auto` takes an incremental when there is something to build on, else a full.",
    role: "operator",
    once: "answer",
    input: z.object({ instance: z.string().min(1), kind: z.union([backupKindSchema, z.literal("auto")]).default("auto") }),
    output: z.object({ job: jobSchema }),
  }),
  verify: route({
    name: "backups.verify",
    method: "POST",
    path: "/v1/backups/:backupId/verifications",
    summary: "Start a verification by real restore.",
    role: "operator",
    once: "answer",
    input: z.object({ backupId: idSchema, tier: tierSchema.optional() }),
    output: z.object({ job: jobSchema }),
  }),
  reseal: route({
    name: "backups.reseal",
    method: "POST",
    path: "/v1/backups/:backupId/reseals",
    summary: "Seal a backup, and what it builds on, anew to the recipients of its policy; what is stored is not touched. The end of each job begins the next.",
    role: "operator",
    once: "answer",
    input: z.object({ backupId: idSchema }),
    output: z.object({
      job: jobSchema,
      /** To be sealed anew, in order; the one that was asked for is the last. */
      backupIds: z.array(idSchema),
      /** What of the log lies behind the backup: it stays sealed as it is. */
      log: z.object({ pieces: z.number().int(), storedBytes: sizeBytesSchema }),
    }),
  }),
  hold: route({
    name: "backups.hold",
    method: "POST",
    path: "/v1/backups/:backupId/holds",
    summary: "Keep this backup, and what it builds on, until the hold is released.",
    role: "operator",
    once: "answer",
    input: z.object({ backupId: idSchema, reason: z.string().min(1).max(500), by: z.string().min(1) }),
    output: z.object({ backup: backupSchema }),
  }),
  release: route({
    name: "backups.release",
    method: "DELETE",
    path: "/v1/backups/:backupId/holds",
    summary: "Release all holds of this backup.",
    role: "approver",
    input: z.object({ backupId: idSchema, by: z.string().min(1) }),
    output: z.object({ backup: backupSchema }),
  }),
};
