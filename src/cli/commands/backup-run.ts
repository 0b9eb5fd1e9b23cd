import { formatBytes } from "../../lib/units.ts";
import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { watchJob } from "../watch-job.ts";

export const backupRunCommand: Command = {
  name: "backup run",
  summary: "Take a backup now and wait until it is committed.",
  arguments: [{ name: "instance", description: "name or id" }],
  options: [
    { flags: "--kind <kind>", description: "auto takes an incremental when there is something to build on", choices: ["auto", "full", "incremental"], default: "auto" },
    { flags: "--detach", description: "do not wait; needs a running `holdfast up`" },
  ],
  examples: ["holdfast backup run shop", "holdfast backup run shop --kind full --json"],
  run: async (context, { instance = "" }, options) => {
    const client = await context.client();
    const kind = options["kind"] as "auto" | "full" | "incremental";
    const { job } = await client.call(api.backups.run, { instance, kind }, context.signal);
    if (options["detach"] === true) {
      context.output.result({ job }, `Job ${job.jobId} is due; \`holdfast job watch ${job.jobId}\` shows it.`);
      return;
    }
    const ended = await watchJob(context, client, job);
    const { backups } = await client.call(api.backups.list, { instance, limit: 20 }, context.signal);
    const backup = backups.find(({ jobId }) => jobId === ended.jobId);
    const text = backup === undefined ? `Job ${ended.jobId} succeeded.` : `Backup ${backup.backupId} (${backup.kind}) is committed: ${formatBytes(backup.streamBytes)} read, ${formatBytes(backup.storedBytes)} stored.\nProve it with: holdfast backup verify ${backup.backupId}`;
    context.output.result({ job: ended, backup: backup ?? null }, text);
  },
};
