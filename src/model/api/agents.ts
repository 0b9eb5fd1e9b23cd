import { z } from "zod";
import { agentSchema, labelsSchema, poolsSchema } from "../agent.ts";
import { idSchema, isoTimeSchema, nameSchema } from "../scalars.ts";
import { pageInput, pageOutput } from "./page.ts";
import { route } from "./route.ts";

const MINUTE_S = 60;
const DAY_S = 24 * 60 * MINUTE_S;
const byAgent = z.object({ agent: z.string().min(1).describe("Name or id.") });

export const agentsRoutes = {
  list: route({
    name: "agents.list",
    method: "GET",
    path: "/v1/agents",
    summary: "Agents of other machines, those that were revoked included, newest first.",
    role: "viewer",
    input: z.object(pageInput),
    output: z.object({ agents: z.array(agentSchema), ...pageOutput }),
  }),
  invite: route({
    name: "agents.invite",
    method: "POST",
    path: "/v1/agents/invitations",
    summary: "Make a token with which one agent may join once, soon.",
    role: "admin",
    once: "secret",
    input: z.object({
      /** The only name it may join under; any that is free unless told. */
      name: nameSchema.optional(),
      pools: poolsSchema.default(["local"]),
      labels: labelsSchema.default({}),
      expiresInS: z.number().int().min(1).max(7 * DAY_S).default(15 * MINUTE_S),
    }),
    output: z.object({
      text: z.string(),
      expiresAt: isoTimeSchema,
      /** SHA-256 of the certificate that the server shows on the network; null when it does not listen there with TLS. */
      serverFingerprint: z.string().nullable(),
    }),
  }),
  join: route({
    name: "agents.join",
    method: "POST",
    path: "/v1/agents",
    summary: "Exchange a token to join for an identity of one's own. The token opens once.",
    role: "anyone",
    input: z.object({ token: z.string().min(1).max(200), name: nameSchema }),
    output: z.object({
      agent: agentSchema,
      text: z.string(),
      /** Grants are signed with its private half. */
      signingPublicKey: z.string(),
    }),
  }),
  rotate: route({
    name: "agents.rotate",
    method: "POST",
    path: "/v1/agents/rotate",
    summary: "Give the calling agent a new token; the old one ends when the new one is first used.",
    role: "agent",
    input: z.object({}),
    output: z.object({ text: z.string() }),
  }),
  self: route({
    name: "agents.self",
    method: "GET",
    path: "/v1/agents/self",
    summary: "Who the calling agent is.",
    role: "agent",
    input: z.object({}),
    output: z.object({ agent: agentSchema }),
  }),
  drain: route({
    name: "agents.drain",
    method: "POST",
    path: "/v1/agents/:agent/drain",
    summary: "Give an agent no new work, and its log shipping to others; or end that.",
    role: "operator",
    input: byAgent.extend({ drained: z.boolean().default(true) }),
    output: z.object({ agent: agentSchema }),
  }),
  revoke: route({
    name: "agents.revoke",
    method: "POST",
    path: "/v1/agents/:agent/revoke",
    summary: "End an agent's identity at once; what it works on is given to others.",
    role: "admin",
    input: byAgent,
    output: z.object({ agent: agentSchema, endedAttempts: z.array(idSchema) }),
  }),
};
