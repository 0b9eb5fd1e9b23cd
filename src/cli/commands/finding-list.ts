import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { allPages } from "../pages.ts";
import { findingLines } from "../summaries.ts";

export const findingListCommand: Command = {
  name: "finding list",
  summary: "What is wrong now; with --all also what was.",
  options: [{ flags: "--all", description: "closed ones too" }],
  run: async (context, _args, options) => {
    const client = await context.client();
    const findings = await allPages("findings", (page) => client.call(api.system.findings, { all: options["all"] === true, ...page }, context.signal));
    context.output.result({ findings }, findings.length === 0 ? "Nothing is wrong." : findingLines(findings, context.nowMs()));
  },
};
