import type { AgentConfig } from "./config/agent-config.ts";
import type { Closers } from "./closers.ts";
import type { Config } from "./config/config.ts";
import type { Clock } from "./lib/clock.ts";
import type { Log } from "./lib/log.ts";
import type { GateElsewhere, ObjectGate } from "./storage/gate.ts";
import { gateByRepository } from "./storage/gate-by-repository.ts";
import { openGateway } from "./storage/gateway-place.ts";
import type { DoorOptions } from "./storage/grant-door.ts";
import { openGate } from "./storage/open-gate.ts";
import { ways } from "./storage/ways.ts";
import { throttledGate } from "./storage/throttled.ts";
import { openStorages } from "./storages.ts";

/** The only way of `up`'s agent to repositories: a gateway where the configuration names one, else this very process. */
export async function ownAgentGate({ agent: { gateway, uploadBytesPerS } }: Config, here: HereOptions, closers: Closers): Promise<ObjectGate> {
  if (gateway === undefined) return throttledGate(openGate(here), { uploadBytesPerS }, here.clock);
  const gate = await openGateway(gateway, "agent.gateway");
  closers.add("gateway connections", async () => {
    gate.close();
  });
  return throttledGate(gate, { uploadBytesPerS }, here.clock);
}

/** What all uploads of an agent together may take is counted here; what one repository may take, where that is opened. */
type HereOptions = DoorOptions & { readonly clock: Clock };

export interface AgentGates {
  readonly gate: ObjectGate;
  /** Repositories that this machine opens itself, with credentials of its own. */
  readonly openedHere: readonly string[];
  close(): void;
}

/** The ways of an agent of another machine, one for each repository of its file. Nothing is asked yet. */
export async function agentGates({ repositories, uploadBytesPerS }: Pick<AgentConfig, "repositories" | "uploadBytesPerS">, here: Omit<HereOptions, "repositories"> & { readonly log: Log }): Promise<AgentGates> {
  const gates = new Map<string, ObjectGate>();
  const elsewhere: GateElsewhere[] = [];
  const named = Object.entries(repositories).map(([name, repository]) => ({ name, repository, way: ways.find(({ kind }) => kind === repository.kind) }));
  const openedHere = openStorages({ repositories: Object.fromEntries(named.filter(({ way }) => way === undefined).map(({ name, repository }) => [name, repository])) }, here);
  const hereGate = openGate({ ...here, repositories: openedHere });
  for (const { name, repository: { options, limits = {} }, way } of named) {
    const gate = await way?.open(way.options.parse(options), `repositories.${name}.options`);
    gates.set(name, gate === undefined ? hereGate : throttledGate(gate, limits, here.clock));
    if (gate !== undefined) elsewhere.push(gate);
  }
  return {
    gate: throttledGate(gateByRepository(gates), { uploadBytesPerS }, here.clock),
    openedHere: [...openedHere.keys()],
    close: () => {
      for (const gate of elsewhere) gate.close();
    },
  };
}
