import {
  agentOf, type AgentRow, findAgentRow, getAgentRow, getInvitation, insertAgent, insertInvitation, nameTaken, updateAgent, useInvitation,
} from "../catalog/agents.ts"; // prettier-ignore
import { inTransaction } from "../catalog/open-catalog.ts";
import { isoTime } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import { isSameHash, makeToken, readToken, type TokenText } from "../lib/token-text.ts";
import type { Agent } from "../model/agent.ts";
import type { Dispatcher } from "./dispatch.ts";
import { giveUpAttempts } from "./give-up-attempts.ts";
import { clear, raise } from "./findings.ts";
import type { ControlPorts } from "./ports.ts";

type Ports = Pick<ControlPorts, "catalog" | "clock" | "newId" | "log">;

/** When it was last seen is written this often at most. */
const SEEN_EVERY_MS = 60_000;

export interface Invitation {
  readonly name?: string | undefined;
  readonly pools: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly expiresInS: number;
}

/** Makes a token with which one agent may join once. */
export async function inviteAgent(ports: Ports, invitation: Invitation, by: string): Promise<{ text: string; expiresAt: string }> {
  const { name, pools, labels, expiresInS } = invitation;
  const id = ports.newId();
  const { text, secretHash } = makeToken("join", id);
  const nowMs = ports.clock.nowMs();
  const expiresAt = isoTime(nowMs + expiresInS * 1_000);
  const row = { id, secretHash, name: name ?? null, pools: JSON.stringify(pools), labels: JSON.stringify(labels), createdAt: isoTime(nowMs), createdBy: by, expiresAt, usedAt: null, agentId: null };
  await insertInvitation(ports.catalog.db, row);
  ports.log.info({ invitation: id, name: name ?? null, pools, by }, "an agent was invited");
  return { text, expiresAt };
}

/**
 * Exchanges a token to join for an identity. Of two that come with the same token, one joins. UNAUTHENTICATED for a token
 * that is unknown, used or too old; CONFLICT for a name that is taken, and then the token is still good.
 */
export async function joinAgent(ports: Ports, request: { token: string; name: string; reservedName: string | null }): Promise<{ agent: Agent; text: string }> {
  const token = readToken(request.token);
  if (token?.kind !== "join") throw new HoldfastError("UNAUTHENTICATED", "This is no token to join with.", { hint: "An administrator makes one with `holdfast agent invite`." });
  const agentId = ports.newId();
  const { text, secretHash } = makeToken("agent", agentId);
  const at = isoTime(ports.clock.nowMs());
  const agent = await inTransaction(ports.catalog.db, async (db) => {
    const invitation = await getInvitation(db, token.id);
    if (invitation === null || !isSameHash(invitation.secretHash, token.secretHash)) throw new HoldfastError("UNAUTHENTICATED", "The token to join is not known here.");
    if (!(ports.clock.nowMs() < Date.parse(invitation.expiresAt))) throw new HoldfastError("UNAUTHENTICATED", `The token to join expired at ${invitation.expiresAt}.`, { hint: "Make a new one with `holdfast agent invite`." });
    if (!(await useInvitation(db, token.id, { at, agentId }))) throw new HoldfastError("UNAUTHENTICATED", `The token to join was used at ${invitation.usedAt ?? "this moment"}; it opens once.`, { hint: "If it was not you, look at `holdfast agent list` and revoke whom you do not know. Then make a new one." });
    if (invitation.name !== null && invitation.name !== request.name) throw new HoldfastError("FORBIDDEN", `The token to join is for the agent ${invitation.name}, not ${request.name}.`, { hint: `Join with --name ${invitation.name}.` });
    if (request.name === request.reservedName) throw nameTaken(request.name);
    const { pools, labels } = invitation;
    await insertAgent(db, { id: agentId, name: request.name, openName: request.name, pools, labels, secretHash, nextSecretHash: null, session: null, joinedAt: at, lastSeenAt: null, drainedAt: null, revokedAt: null });
    return agentOf(await findAgentRow(db, agentId));
  });
  ports.log.info({ agentId, name: agent.name, pools: agent.pools }, "an agent joined");
  return { agent, text };
}

/** The agent that this token is, if its identity is in force. The first use of a rotated token ends the one before. */
export async function requireAgent(ports: Pick<Ports, "catalog" | "clock">, text: TokenText): Promise<AgentRow> {
  const { db } = ports.catalog;
  const row = await getAgentRow(db, text.id);
  const isNext = row?.nextSecretHash != null && isSameHash(row.nextSecretHash, text.secretHash);
  if (row === null || (!isNext && !isSameHash(row.secretHash, text.secretHash))) throw new HoldfastError("UNAUTHENTICATED", "The agent's token is not known here.", { hint: "Let it join again with a token of `holdfast agent invite`." });
  if (row.revokedAt !== null) throw new HoldfastError("UNAUTHENTICATED", `The agent ${row.name} (${row.id}) was revoked at ${row.revokedAt}.`, { hint: "Let it join again with a token of `holdfast agent invite`, if it is to work here." });
  if (isNext) await updateAgent(db, row.id, { secretHash: text.secretHash, nextSecretHash: null });
  const nowMs = ports.clock.nowMs();
  // Also after the clock was set back.
  if (row.lastSeenAt === null || Math.abs(nowMs - Date.parse(row.lastSeenAt)) >= SEEN_EVERY_MS) await updateAgent(db, row.id, { lastSeenAt: isoTime(nowMs) });
  return row;
}

/** A new token for an agent. Until it is used the old one goes on: an answer that is lost locks nobody out. */
export async function rotateAgent(ports: Ports, agentId: string): Promise<{ text: string }> {
  const { text, secretHash } = makeToken("agent", agentId);
  await updateAgent(ports.catalog.db, agentId, { nextSecretHash: secretHash });
  ports.log.info({ agentId }, "an agent's token is rotated");
  return { text };
}

export async function drainAgent(ports: Ports, nameOrId: string, drained: boolean): Promise<Agent> {
  const { db } = ports.catalog;
  const { id } = await findAgentRow(db, nameOrId);
  await updateAgent(db, id, { drainedAt: drained ? isoTime(ports.clock.nowMs()) : null });
  return agentOf(await findAgentRow(db, id));
}

/** Ends an identity. From the next call on it is refused, and what it works on is lost and given away at once. */
export async function revokeAgent({ ports, leases, settings }: Dispatcher, nameOrId: string, by: string): Promise<{ agent: Agent; endedAttempts: string[] }> {
  const { db } = ports.catalog;
  const { id, name } = await findAgentRow(db, nameOrId);
  const endedAttempts = await inTransaction(db, async (tx) => {
    if (!(await updateAgent(tx, id, { revokedAt: isoTime(ports.clock.nowMs()), openName: null, nextSecretHash: null }))) return [];
    return giveUpAttempts({ ports, settings }, { db: tx, agent: name }, (attemptId) => `The agent ${name} was revoked while it worked on attempt ${attemptId}.`);
  });
  for (const attemptId of endedAttempts) leases.end(attemptId);
  await clear(ports, db, { kind: REPLACED, subject: `agent:${id}` });
  ports.log.warn({ agentId: id, name, by, endedAttempts }, "an agent was revoked");
  return { agent: agentOf(await findAgentRow(db, id)), endedAttempts };
}

/**
 * An agent's process begins: it gets a session, and what an earlier process of the same identity worked on is given up,
 * for two of them must not work side by side. The earlier one is refused by `requireSession` from now on.
 */
export async function beginSession({ ports, leases, settings }: Dispatcher, agentId: string): Promise<{ session: string }> {
  const { db } = ports.catalog;
  const session = ports.newId();
  const { name } = await findAgentRow(db, agentId);
  const ended = await inTransaction(db, async (tx) => {
    await updateAgent(tx, agentId, { session });
    return giveUpAttempts({ ports, settings }, { db: tx, agent: name }, (attemptId) => `The agent ${name} was started anew while it worked on attempt ${attemptId}.`);
  });
  for (const attemptId of ended) leases.end(attemptId);
  await clear(ports, db, { kind: REPLACED, subject: `agent:${agentId}` });
  ports.log.info({ agentId, name, session, ended }, "an agent begins");
  return { session };
}

const REPLACED = "agent-replaced";

/** AGENT_REPLACED, and a finding, when another process has begun with this identity since. */
export async function requireSession(ports: Ports, agentId: string, session: string): Promise<void> {
  const { db } = ports.catalog;
  const row = await findAgentRow(db, agentId);
  if (row.session === session) return;
  const message = `Two processes work with the identity of the agent ${row.name}: one of another session called after a newer one had begun.`;
  await raise(ports, db, { kind: REPLACED, subject: `agent:${agentId}`, severity: "critical", message, remedy: `See that its state directory was not copied. If you do not know the other one: \`holdfast agent revoke ${row.name}\`, then let it join again.` });
  throw new HoldfastError("AGENT_REPLACED", `Another process has begun to work as agent ${row.name} since; this one must end.`);
}
