import { api } from "../../model/api/index.ts";
import { backupTable } from "../backup-text.ts";
import type { Command } from "../command.ts";
import { wholeNumber } from "../options.ts";

export const backupListCommand: Command = {
  name: "backup list",
  summary: "Committed backups, newest first.",
  arguments: [{ name: "instance", description: "name or id; without it all", optional: true }],
  options: [{ flags: "--limit <number>", description: "how many at most", default: "50" }],
  examples: ["holdfast backup list shop --limit 10"],
  run: async (context, { instance }, options) => {
    const limit = wholeNumber("--limit", options["limit"], { min: 1, max: 1_000 });
    const { backups } = await (await context.client()).call(api.backups.list, { limit, ...(instance === undefined ? {} : { instance }) }, context.signal);
    context.output.result({ backups }, backupTable(backups, context.columns));
  },
};
