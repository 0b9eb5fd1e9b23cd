import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { jobText } from "../job-text.ts";

export const jobCancelCommand: Command = {
  name: "job cancel",
  summary: "Ask a job to stop.",
  arguments: [{ name: "job", description: "job id" }],
  run: async (context, { job: jobId = "" }) => {
    const { job } = await (await context.client()).call(api.jobs.cancel, { jobId }, context.signal);
    context.output.result({ job }, jobText(job, context.columns));
  },
};
