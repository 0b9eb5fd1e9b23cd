import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { jobText } from "../job-text.ts";

export const jobShowCommand: Command = {
  name: "job show",
  summary: "One job with its attempts and progress.",
  arguments: [{ name: "job", description: "job id" }],
  run: async (context, { job: jobId = "" }) => {
    const { job } = await (await context.client()).call(api.jobs.show, { jobId }, context.signal);
    context.output.result({ job }, jobText(job, context.columns));
  },
};
