import { api } from "../../model/api/index.ts";
import { backupTable } from "../backup-text.ts";
import type { Command } from "../command.ts";
import { allPages } from "../pages.ts";
import { wholeNumber } from "../options.ts";

/** One would rather ask for a part. */
const MOST = 100_000;

export const backupListCommand: Command = {
  name: "backup list",
  summary: "Committed backups, newest first.",
  arguments: [{ name: "instance", description: "name or id; without it all", optional: true }],
  options: [{ flags: "--limit <number>", description: "how many at most", default: "50" }],
  examples: ["holdfast backup list shop --limit 10"],
  run: async (context, { instance }, options) => {
    const limit = wholeNumber("--limit", options["limit"], { min: 1, max: MOST });
    const client = await context.client();
    const backups = await allPages(async (page) => {
      const { backups: entries, next } = await client.call(api.backups.list, { ...(instance === undefined ? {} : { instance }), ...page }, context.signal);
      return { entries, next };
    }, limit);
    context.output.result({ backups }, backupTable(backups, context.columns));
  },
};
