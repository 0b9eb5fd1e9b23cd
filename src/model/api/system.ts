import { z } from "zod";
import { backupSchema, coverageSchema } from "../backup.ts";
import { checkDepthSchema, extentSchema } from "../check.ts";
import { frozenSchema } from "../frozen.ts";
import { holdRecordSchema } from "../hold.ts";
import { instanceSchema } from "../instance.ts";
import { jobSchema } from "../job.ts";
import { findingSchema, verificationReportSchema } from "../verification.ts";
import { idSchema, isoTimeSchema, nameSchema, sha256Schema } from "../scalars.ts";
import { instanceSummarySchema } from "./instances.ts";
import { pageInput, pageOutput } from "./page.ts";
import { queryFlagSchema } from "./query.ts";
import { route } from "./route.ts";

export const repositorySummarySchema = z.object({
  name: nameSchema,
  kind: z.string(),
  place: z.string(),
  repositoryId: z.string(),
  backupCount: z.number().int(),
  storedBytes: z.number(),
});

export type RepositorySummary = z.infer<typeof repositorySummarySchema>;

/** One line of `doctor`: what was tried, what came out, what to do. */
export const diagnosisSchema = z.object({
  subject: z.string(),
  status: z.enum(["ok", "warning", "error"]),
  message: z.string(),
  remedy: z.string().nullable(),
});
export type Diagnosis = z.infer<typeof diagnosisSchema>;

/** What `apply` did or, as a dry run, would do. */
export const configChangeSchema = z.object({
  noun: z.enum(["repository", "policy", "instance"]),
  name: z.string(),
  change: z.enum(["added", "changed", "removed", "unchanged"]),
  detail: z.string(),
});
export type ConfigChange = z.infer<typeof configChangeSchema>;

/** What a catalog knows that a repository proves: the same after the catalog and the server were lost and recovered. */
export const exportSchema = z.object({
  signingKeyFingerprint: z.string(),
  repositories: z.array(z.object({ name: nameSchema, repositoryId: idSchema.nullable() })),
  policies: z.array(z.object({ name: nameSchema, version: z.number().int(), spec: z.record(z.string(), z.unknown()) })),
  instances: z.array(instanceSchema),
  backups: z.array(backupSchema.extend({ manifestSha256: sha256Schema })),
  /** Ids of each chain, the full first. */
  chains: z.array(z.object({ chainId: idSchema, backupIds: z.array(idSchema) })),
  coverage: z.array(coverageSchema),
  holds: z.array(holdRecordSchema),
  reports: z.array(verificationReportSchema),
});
export type Export = z.infer<typeof exportSchema>;

export const systemRoutes = {
  status: route({
    name: "system.status",
    method: "GET",
    path: "/v1/status",
    summary: "One page: what is protected, how far back, what is running, what is wrong.",
    role: "viewer",
    input: z.object({}),
    output: z.object({
      now: isoTimeSchema,
      version: z.string(),
      signingKeyFingerprint: z.string(),
      /** Null unless nothing is scheduled and nothing deleted until `thaw`. */
      frozen: frozenSchema.nullable(),
      instances: z.array(instanceSummarySchema),
      repositories: z.array(repositorySummarySchema),
      running: z.array(jobSchema),
      findings: z.array(findingSchema),
    }),
  }),
  findings: route({
    name: "system.findings",
    method: "GET",
    path: "/v1/findings",
    summary: "Open findings, or all, newest first.",
    role: "viewer",
    input: z.object({ all: queryFlagSchema.default(false), ...pageInput }),
    output: z.object({ findings: z.array(findingSchema), ...pageOutput }),
  }),
  apply: route({
    name: "system.apply",
    method: "POST",
    path: "/v1/config",
    summary: "Check a configuration and, unless it is a dry run, make it the current one.",
    role: "admin",
    input: z.object({ yaml: z.string(), sourceName: z.string(), dryRun: z.boolean().default(false) }),
    output: z.object({ changes: z.array(configChangeSchema) }),
  }),
  doctor: route({
    name: "system.doctor",
    method: "POST",
    path: "/v1/doctor",
    summary: "Try everything that a night's work will need.",
    role: "operator",
    input: z.object({}),
    output: z.object({ diagnoses: z.array(diagnosisSchema) }),
  }),
  thaw: route({
    name: "system.thaw",
    method: "POST",
    path: "/v1/thaw",
    summary: "End the freeze of a catalog that was rebuilt or recovered: schedules run again.",
    role: "approver",
    input: z.object({ by: z.string().min(1) }),
    output: z.object({ was: frozenSchema.nullable() }),
  }),
  export: route({
    name: "system.export",
    method: "GET",
    path: "/v1/export",
    summary: "Instances, policies, backups, chains, coverage, holds and reports, in an order that never changes.",
    role: "auditor",
    input: z.object({}),
    output: exportSchema,
  }),
  checkRepository: route({
    name: "repositories.check",
    method: "POST",
    path: "/v1/repositories/:repository/check",
    summary: "Compare what the catalog knows with what is stored; goes on with a check of the same kind that was cut short.",
    role: "operator",
    once: "answer",
    input: z.object({
      repository: nameSchema,
      depth: checkDepthSchema.default("hash"),
      /** Read only this share of the objects: those that waited longest. */
      share: z.number().positive().max(1).optional(),
      seed: z.string().min(1).max(100).optional(),
      rateBytesPerS: z.number().int().positive().optional(),
      /** Begin anew, whatever was cut short. */
      fresh: z.boolean().optional(),
    }),
    /** `continued`: what the check that goes on has read already. */
    output: z.object({ job: jobSchema, continued: extentSchema.nullable() }),
  }),
};
