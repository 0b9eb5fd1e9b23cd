import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { jobText } from "../job-text.ts";

export const jobRetryCommand: Command = {
  name: "job retry",
  summary: "Run a failed or cancelled job again.",
  arguments: [{ name: "job", description: "job id" }],
  run: async (context, { job: jobId = "" }) => {
    const { job } = await (await context.client()).call(api.jobs.retry, { jobId }, context.signal);
    context.output.result({ job }, jobText(job, context.columns));
  },
};
