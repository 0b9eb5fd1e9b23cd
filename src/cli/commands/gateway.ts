import type { Command } from "../command.ts";

export const gatewayCommand: Command = {
  name: "gateway",
  summary: "Stand between agents and repositories: let one object in or out for each grant that the server signed. Reads a file of its own, named by --config.",
  examples: ["holdfast gateway --config /etc/holdfast/gateway.yaml"],
  run: async (context) => {
    await context.local.gateway({ config: context.configPath, signal: context.signal });
  },
};
