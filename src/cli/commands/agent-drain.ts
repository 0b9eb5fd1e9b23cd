import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";

export const agentDrainCommand: Command = {
  name: "agent drain",
  summary: "Give an agent no new work: what runs ends there, log shipping goes to others of its pools.",
  arguments: [{ name: "agent", description: "name or id" }],
  options: [{ flags: "--end", description: "give it work again" }],
  examples: ["holdfast agent drain db1", "holdfast agent drain db1 --end"],
  run: async (context, { agent: name = "" }, options) => {
    const { agent } = await (await context.client()).call(api.agents.drain, { agent: name, drained: options["end"] !== true }, context.signal);
    context.output.result({ agent }, agent.drainedAt === null ? `The agent ${agent.name} gets work again.` : `The agent ${agent.name} gets no new work.`);
  },
};
