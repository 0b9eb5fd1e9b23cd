import { userInfo } from "node:os";
import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";

export const backupHoldCommand: Command = {
  name: "backup hold",
  summary: "Keep a backup, and all it builds on, until the hold is released.",
  arguments: [{ name: "backup", description: "backup id" }],
  options: [{ flags: "--reason <text>", description: "why; shown to everybody", required: true }],
  examples: ['holdfast backup hold 01KAJ3V0Q8M5ZC2X7T4R6N9PDH --reason "evidence for the audit of 2026"'],
  run: async (context, { backup: backupId = "" }, options) => {
    const { backup } = await (await context.client()).call(api.backups.hold, { backupId, reason: String(options["reason"]), by: userInfo().username }, context.signal);
    context.output.result({ backup }, `Backup ${backupId} is held; \`holdfast backup release ${backupId}\` ends it.`);
  },
};
