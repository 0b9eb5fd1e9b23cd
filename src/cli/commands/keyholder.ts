import type { Command } from "../command.ts";

export const keyholderCommand: Command = {
  name: "keyholder",
  summary: "Run the process that alone holds identities, on a Unix socket or behind mutual TLS. Its configuration is a file of its own.",
  examples: ["holdfast keyholder --config /etc/holdfast-keyholder/keyholder.yaml"],
  run: async (context) => {
    await context.local.keyholder({ config: context.configPath, signal: context.signal });
  },
};
