import type { Agent } from "../../model/agent.ts";
import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { allPages } from "../pages.ts";
import { table } from "../text.ts";

export const agentListCommand: Command = {
  name: "agent list",
  summary: "Agents of other machines, those that were revoked included, newest first.",
  run: async (context) => {
    const client = await context.client();
    const agents = await allPages("agents", (page) => client.call(api.agents.list, page, context.signal));
    const columns = [{ title: "agent" }, { title: "name", shrink: true }, { title: "pools", shrink: true }, { title: "state" }, { title: "last seen", spare: 1 }, { title: "labels", shrink: true, spare: 2 }];
    const rows = agents.map((agent) => [agent.agentId, agent.name, agent.pools.join(","), stateOf(agent), agent.lastSeenAt ?? "never", labelsOf(agent)]);
    context.output.result({ agents }, agents.length === 0 ? "No agent has joined." : table(columns, rows, context.columns));
  },
};

function stateOf({ revokedAt, drainedAt }: Agent): string {
  if (revokedAt !== null) return `revoked ${revokedAt}`;
  return drainedAt === null ? "in force" : `drained ${drainedAt}`;
}

function labelsOf({ labels }: Agent): string {
  return Object.entries(labels).map(([name, value]) => `${name}=${value}`).join(",");
}
