import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { counted } from "../text.ts";

export const agentRevokeCommand: Command = {
  name: "agent revoke",
  summary: "End an agent's identity at once; what it works on is given to others.",
  arguments: [{ name: "agent", description: "name or id" }],
  run: async (context, { agent: name = "" }) => {
    const revoked = await (await context.client()).call(api.agents.revoke, { agent: name }, context.signal);
    context.output.result(revoked, `The agent ${revoked.agent.name} (${revoked.agent.agentId}) is revoked; ${counted(revoked.endedAttempts.length, "attempt")} of it ended.`);
  },
};
