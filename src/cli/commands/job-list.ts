import { api } from "../../model/api/index.ts";
import { jobKindSchema, jobStateSchema } from "../../model/job.ts";
import type { Command } from "../command.ts";
import { allPages, listLimit } from "../pages.ts";
import { jobTable } from "../job-text.ts";
import { textOption } from "../options.ts";

export const jobListCommand: Command = {
  name: "job list",
  summary: "Jobs, newest first.",
  options: [
    { flags: "--instance <instance>", description: "only of this instance" },
    { flags: "--kind <kind>", description: "only this kind", choices: jobKindSchema.options },
    { flags: "--state <state>", description: "only in this state", choices: jobStateSchema.options },
    { flags: "--limit <number>", description: "how many at most", default: "20" },
  ],
  examples: ["holdfast job list --state failed", "holdfast job list --instance shop --kind verify"],
  run: async (context, _args, options) => {
    const instance = textOption(options["instance"]);
    const kind = options["kind"] === undefined ? {} : { kind: jobKindSchema.parse(options["kind"]) };
    const state = options["state"] === undefined ? {} : { state: jobStateSchema.parse(options["state"]) };
    const limit = listLimit(options["limit"]);
    const client = await context.client();
    const jobs = await allPages("jobs", (page) => client.call(api.jobs.list, { ...kind, ...state, ...(instance === undefined ? {} : { instance }), ...page }, context.signal), limit);
    context.output.result({ jobs }, jobTable(jobs, context.columns));
  },
};
