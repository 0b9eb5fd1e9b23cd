import type { Command } from "../command.ts";

export const agentRotateCommand: Command = {
  name: "agent rotate",
  summary: "Give this machine's agent a new token; one that runs takes it up, and the old one ends.",
  examples: ["holdfast agent rotate --config /etc/holdfast/agent.yaml"],
  run: async (context) => {
    const rotated = await context.local.agentRotate({ config: context.configPath });
    context.output.result(rotated, `The agent ${rotated.name} (${rotated.agentId}) has a new token; the old one opens nothing any more.`);
  },
};
