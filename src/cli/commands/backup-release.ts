import { userInfo } from "node:os";
import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";

export const backupReleaseCommand: Command = {
  name: "backup release",
  summary: "Release all holds of a backup.",
  arguments: [{ name: "backup", description: "backup id" }],
  run: async (context, { backup: backupId = "" }) => {
    const { backup } = await (await context.client()).call(api.backups.release, { backupId, by: userInfo().username }, context.signal);
    context.output.result({ backup }, `Backup ${backupId} is no longer held.`);
  },
};
