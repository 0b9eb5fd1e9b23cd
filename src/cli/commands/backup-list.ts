import { api } from "../../model/api/index.ts";
import { backupTable } from "../backup-text.ts";
import type { Command } from "../command.ts";
import { allPages, listLimit } from "../pages.ts";

export const backupListCommand: Command = {
  name: "backup list",
  summary: "Committed backups, newest first.",
  arguments: [{ name: "instance", description: "name or id; without it all", optional: true }],
  options: [{ flags: "--limit <number>", description: "how many at most", default: "50" }],
  examples: ["holdfast backup list shop --limit 10"],
  run: async (context, { instance }, options) => {
    const limit = listLimit(options["limit"]);
    const client = await context.client();
    const backups = await allPages("backups", (page) => client.call(api.backups.list, { ...(instance === undefined ? {} : { instance }), ...page }, context.signal), limit);
    context.output.result({ backups }, backupTable(backups, context.columns));
  },
};
