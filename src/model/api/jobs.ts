import { z } from "zod";
import { jobKindSchema, jobSchema, jobStateSchema } from "../job.ts";
import { idSchema } from "../scalars.ts";
import { pageInput, pageOutput } from "./page.ts";
import { route } from "./route.ts";

const byJob = z.object({ jobId: idSchema });

export const jobRoutes = {
  list: route({
    name: "jobs.list",
    method: "GET",
    path: "/v1/jobs",
    summary: "Jobs, newest first.",
    role: "viewer",
    input: z.object({
      instance: z.string().optional(),
      kind: jobKindSchema.optional(),
      state: jobStateSchema.optional(),
      ...pageInput,
    }),
    output: z.object({ jobs: z.array(jobSchema), ...pageOutput }),
  }),
  show: route({ name: "jobs.show", method: "GET", path: "/v1/jobs/:jobId", summary: "One job with its attempts and progress.", role: "viewer", input: byJob, output: z.object({ job: jobSchema }) }),
  cancel: route({ name: "jobs.cancel", method: "POST", path: "/v1/jobs/:jobId/cancel", summary: "Ask a job to stop.", role: "operator", input: byJob, output: z.object({ job: jobSchema }) }),
  retry: route({ name: "jobs.retry", method: "POST", path: "/v1/jobs/:jobId/retry", summary: "Run a failed or cancelled job again.", role: "operator", once: "answer", input: byJob, output: z.object({ job: jobSchema }) }),
};
