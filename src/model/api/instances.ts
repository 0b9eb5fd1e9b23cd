import { z } from "zod";
import { coverageSchema } from "../backup.ts";
import { instanceSchema, probeReportSchema } from "../instance.ts";
import { jobSchema } from "../job.ts";
import { isoTimeSchema } from "../scalars.ts";
import { pageInput, pageOutput } from "./page.ts";
import { route } from "./route.ts";

/** An instance with what a person wants to see beside its name. */
export const instanceSummarySchema = instanceSchema.extend({
  lastFullAt: isoTimeSchema.nullable(),
  lastBackupAt: isoTimeSchema.nullable(),
  lastVerifiedAt: isoTimeSchema.nullable(),
  /** Newest instant that can be reached, and the oldest. */
  reachableFrom: isoTimeSchema.nullable(),
  reachableTo: isoTimeSchema.nullable(),
  backupCount: z.number().int(),
  openFindings: z.number().int(),
});
export type InstanceSummary = z.infer<typeof instanceSummarySchema>;

const byInstance = z.object({ instance: z.string().min(1).describe("Name or id.") });

export const instanceRoutes = {
  list: route({
    name: "instances.list",
    method: "GET",
    path: "/v1/instances",
    summary: "All instances in order of name, with how well each is protected.",
    role: "viewer",
    input: z.object(pageInput),
    output: z.object({ instances: z.array(instanceSummarySchema), ...pageOutput }),
  }),
  show: route({
    name: "instances.show",
    method: "GET",
    path: "/v1/instances/:instance",
    summary: "One instance with its last probe.",
    role: "viewer",
    input: byInstance,
    output: z.object({ instance: instanceSummarySchema, probe: probeReportSchema.nullable() }),
  }),
  probe: route({
    name: "instances.probe",
    method: "POST",
    path: "/v1/instances/:instance/probe",
    summary: "Start a probe; the job's result is the report.",
    role: "operator",
    once: "answer",
    input: byInstance,
    output: z.object({ job: jobSchema }),
  }),
  coverage: route({
    name: "instances.coverage",
    method: "GET",
    path: "/v1/instances/:instance/coverage",
    summary: "Which instants can be reached, and where the holes are.",
    role: "viewer",
    input: byInstance,
    output: z.object({ coverage: coverageSchema }),
  }),
};
