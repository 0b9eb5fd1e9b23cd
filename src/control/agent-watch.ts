import { listAgents } from "../catalog/agents.ts";
import { openFindingsOfKind } from "../catalog/findings.ts";
import { dueByPool } from "../catalog/jobs.ts";
import { formatDuration } from "../lib/units.ts";
import type { Agent } from "../model/agent.ts";
import { type Heard, judgeSilence, type Silence } from "../model/agent-silence.ts";
import { clear, raise } from "./findings.ts";
import type { ControlPorts, ControlSettings } from "./ports.ts";

const SILENT = "agent-silent";
const UNSERVED = "pool-unserved";

type Ports = Pick<ControlPorts, "catalog" | "clock" | "newId" | "log">;
type Settings = Pick<ControlSettings, "agentSilentMs" | "ownPools">;

/** Gives a pass that looks for agents that have fallen silent, and for jobs that wait for a pool without any agent that works. */
export function agentWatch(ports: Ports, settings: Settings): () => Promise<void> {
  const heard = new Map<string, Heard>();
  return async () => {
    const agents = await listAgents(ports.catalog.db);
    const silences = new Map(agents.map((agent) => [agent.agentId, look(ports, settings, heard, agent)]));
    for (const agent of agents) await tellOfAgent(ports, settings, agent, silences.get(agent.agentId));
    await tellOfPools(ports, settings, { agents, silences });
  };
}

function look({ clock }: Ports, { agentSilentMs }: Settings, heard: Map<string, Heard>, { agentId, lastSeenAt }: Agent): Silence {
  const judged = judgeSilence(heard.get(agentId), { lastSeenAt, monotonicMs: clock.monotonicMs(), silentMs: agentSilentMs });
  heard.set(agentId, judged.heard);
  return judged.silence;
}

async function tellOfAgent(ports: Ports, { agentSilentMs }: Settings, agent: Agent, silence: Silence | undefined): Promise<void> {
  const { db } = ports.catalog;
  const about = { kind: SILENT, subject: `agent:${agent.agentId}` };
  // One that is drained may be on its way out.
  if (agent.revokedAt !== null || agent.drainedAt !== null || silence === "calls") return clear(ports, db, about);
  if (silence !== "silent") return;
  const since = agent.lastSeenAt === null ? "has never called since it joined" : `has not called since ${agent.lastSeenAt}`;
  await raise(ports, db, {
    ...about,
    severity: "warning",
    message: `The agent ${agent.name} (pools ${agent.pools.join(", ")}) ${since}: it is silent for more than ${formatDuration(agentSilentMs)}.`,
    remedy: `See on its machine that it runs and reaches this server. If it is gone for good: \`holdfast agent revoke ${agent.name}\`; for a while: \`holdfast agent drain ${agent.name}\`.`,
  });
}

async function tellOfPools(ports: Ports, { ownPools }: Settings, { agents, silences }: { agents: readonly Agent[]; silences: ReadonlyMap<string, Silence> }): Promise<void> {
  const { db } = ports.catalog;
  const inForce = agents.filter(({ revokedAt }) => revokedAt === null);
  const works = (agent: Agent): boolean => agent.drainedAt === null && silences.get(agent.agentId) !== "silent";
  const waiting = (await dueByPool(db, ports.clock.nowMs())).filter(({ pool }) => !ownPools.includes(pool) && !inForce.some((agent) => agent.pools.includes(pool) && works(agent)));
  for (const { pool, jobs } of waiting) {
    const members = inForce.filter(({ pools }) => pools.includes(pool));
    await raise(ports, db, { kind: UNSERVED, subject: `pool:${pool}`, severity: "critical", ...wordsOf(pool, jobs, members) });
  }
  const unserved = new Set(waiting.map(({ pool }) => `pool:${pool}`));
  for (const { kind, subject } of await openFindingsOfKind(db, UNSERVED)) if (!unserved.has(subject)) await clear(ports, db, { kind, subject });
}

function wordsOf(pool: string, jobs: number, members: readonly Agent[]): { message: string; remedy: string } {
  const wait = `${String(jobs)} due ${jobs === 1 ? "job waits" : "jobs wait"} for an agent of pool ${pool}`;
  if (members.length === 0) {
    return { message: `${wait}, and no agent has joined it.`, remedy: `Let one join (\`holdfast agent invite --pools ${pool}\`), or give its instances another \`pool\` and run \`holdfast apply\`.` };
  }
  const names = members.map(({ name, drainedAt }) => `${name} (${drainedAt === null ? "silent" : "drained"})`).join(", ");
  return { message: `${wait}, and none of its agents works: ${names}.`, remedy: `Start one of them on its machine, end a drain with \`holdfast agent drain <name> --end\`, or let another join (\`holdfast agent invite --pools ${pool}\`).` };
}
