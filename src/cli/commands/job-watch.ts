import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { jobText } from "../job-text.ts";
import { watchJob } from "../watch-job.ts";

export const jobWatchCommand: Command = {
  name: "job watch",
  summary: "Follow a job until it ends; the exit code is the job's.",
  arguments: [{ name: "job", description: "job id" }],
  examples: ["holdfast job watch 01KAJ3V0Q8M5ZC2X7T4R6N9PDH"],
  run: async (context, { job: jobId = "" }) => {
    const client = await context.client();
    const { job } = await client.call(api.jobs.show, { jobId }, context.signal);
    const ended = await watchJob(context, client, job);
    context.output.result({ job: ended }, jobText(ended, context.columns));
  },
};
