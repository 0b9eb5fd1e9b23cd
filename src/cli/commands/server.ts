import type { Command } from "../command.ts";

export const serverCommand: Command = {
  name: "server",
  summary: "Run the server without an agent: schedules, catalog, keys and API here, the work on agents of other machines.",
  examples: ["holdfast server --config /etc/holdfast/holdfast.yaml"],
  run: async (context) => {
    await context.local.server({ config: context.configPath, signal: context.signal });
  },
};
