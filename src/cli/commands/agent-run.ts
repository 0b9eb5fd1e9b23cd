import type { Command } from "../command.ts";

export const agentRunCommand: Command = {
  name: "agent run",
  summary: "Run the agent of this machine, which has joined a server; `holdfast agent` alone does the same.",
  isDefault: true,
  examples: ["holdfast agent run --config /etc/holdfast/agent.yaml"],
  run: async (context) => {
    await context.local.agentRun({ config: context.configPath, signal: context.signal });
  },
};
