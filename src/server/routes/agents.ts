import { agentOf, findAgentRow, listAgents } from "../../catalog/agents.ts";
import { drainAgent, inviteAgent, joinAgent, revokeAgent, rotateAgent } from "../../control/agents.ts";
import { api } from "../../model/api/index.ts";
import { nameOf, requireAgentCaller } from "../caller.ts";
import { implement } from "../implement.ts";
import { readPage } from "../page.ts";

const { agents } = api;
const THE_OWNER = "owner";

export const agentsRoutes = [
  implement(agents.list, async (page, { dispatcher: { ports } }) => {
    const { entries, next } = await readPage(agents.list, page, { read: ({ after, limit }) => listAgents(ports.catalog.db, { before: after, limit }), keyOf: ({ agentId }) => agentId });
    return { agents: entries, next };
  }),
  implement(agents.invite, async (invitation, { dispatcher: { ports }, ...context }, { caller }) => {
    const { text, expiresAt } = await inviteAgent(ports, invitation, nameOf(caller, THE_OWNER));
    return { text, expiresAt, serverFingerprint: await context.serverFingerprint() };
  }),
  implement(agents.join, async ({ token, name }, { dispatcher: { ports }, ownAgentName }) => {
    const { agent, text } = await joinAgent(ports, { token, name, reservedName: ownAgentName });
    return { agent, text, signingPublicKey: ports.signer.publicKey };
  }),
  implement(agents.rotate, async (_input, { dispatcher: { ports } }, { caller }) => rotateAgent(ports, requireAgentCaller(caller).agentId)),
  implement(agents.self, async (_input, { dispatcher: { ports } }, { caller }) => ({ agent: agentOf(await findAgentRow(ports.catalog.db, requireAgentCaller(caller).agentId)) })),
  implement(agents.drain, async ({ agent, drained }, { dispatcher: { ports } }) => ({ agent: await drainAgent(ports, agent, drained) })),
  implement(agents.revoke, async ({ agent }, { dispatcher }, { caller }) => revokeAgent(dispatcher, agent, nameOf(caller, THE_OWNER))),
];
