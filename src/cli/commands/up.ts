import type { Command } from "../command.ts";

export const upCommand: Command = {
  name: "up",
  summary: "Run everything in this process: schedules, backups, log shipping, verification and the API on a Unix socket.",
  examples: ["holdfast up --config /etc/holdfast/holdfast.yaml"],
  run: async (context) => {
    await context.local.up({ config: context.configPath, signal: context.signal });
  },
};
