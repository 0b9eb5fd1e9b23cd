import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sandboxUserFrom } from "./accounts.ts";
import { admitOrder, type AgentBuffers, apiKnocks, OWN_POOLS, permitListed, permitSigned, type Pins, runAgent } from "./agent/index.ts";
import type { AgentConfig } from "./config/agent-config.ts";
import { agentGates } from "./agent-gate.ts";
import { type AgentIdentity, alreadyJoined, identityPath, keepIdentity, readIdentity, replaceIdentity } from "./agent-identity.ts";
import type { AgentLimits } from "./config/agent-limits.ts";
import { type Client, createClient, remoteTransport } from "./client/index.ts";
import { engines } from "./engines/index.ts";
import { hookCommands } from "./config/hook-config.ts";
import { runJob } from "./jobs/run-job.ts";
import { type Clock, delay } from "./lib/clock.ts";
import { relaxCollector } from "./lib/collector.ts";
import { asHoldfastError, HoldfastError, isHoldfastError } from "./lib/errors.ts";
import { idFactory } from "./lib/ids.ts";
import type { Log } from "./lib/log.ts";
import { api } from "./model/api/index.ts";
import { checkedFingerprint } from "./profiles.ts";
import { seenRecipients } from "./seen-recipients.ts";
import { keepCompiledCode, prepareStateDir, stateDirAt } from "./state-dir.ts";
import { pinTools } from "./tool-path.ts";

/** Also asked without a knock, should one be lost. */
const POLL_EVERY_MS = 5_000;
const BEGIN_AGAIN_MS = 1_000;

export interface AgentProcess {
  readonly config: AgentConfig;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** An agent on a machine of its own: works until the signal, or until the server has no more use for it; then throws why. */
export async function runAgentProcess({ config, log, clock, signal }: AgentProcess): Promise<void> {
  const identity = readIdentity(config.stateDir);
  const state = stateDirAt(config.stateDir);
  keepCompiledCode(state.cachePath, process.env);
  relaxCollector();
  pinTools(config.toolPath, process.env);
  const client = clientOf(identity, config.stateDir);
  const gates = await agentGates(config, { publicKey: identity.signingPublicKey, clock, log });
  if (gates.openedHere.length > 0) log.warn({ repositories: gates.openedHere }, "this machine opens repositories itself: whoever is root here has what opens them; a gateway keeps that elsewhere");
  const { session, name, pools } = await begin(client, log, signal);
  const pins = pinsOf(config, name);
  log.info({ server: identity.server, agent: name, pools, instances: Object.keys(config.instances) }, "the agent has begun");
  const stopping = new AbortController();
  const end = (): void => {
    stopping.abort();
  };
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  let dismissal: unknown;
  await runAgent({
    name,
    session,
    onDismissed: (error) => {
      dismissal ??= error;
      end();
    },
    client,
    gate: gates.gate,
    admit: (order) => admitOrder(order, pins),
    hooks: pins.hooks,
    queue: apiKnocks(client, session, { log }),
    pools: [OWN_POOLS],
    engines: new Map(engines.map((engine) => [engine.kind, engine])),
    maxJobs: config.maxJobs,
    buffers: buffersOf(config),
    pollEveryMs: POLL_EVERY_MS,
    scratchRoot: state.scratchRoot,
    sandboxUser: await sandboxUserFrom(config.sandboxUser),
    clock,
    log: log.child({ agent: name }),
    newId: idFactory(),
    signal: stopping.signal,
    runJob,
  });
  signal.removeEventListener("abort", end);
  gates.close();
  if (dismissal !== undefined) throw asHoldfastError(dismissal);
}

/** What the agent's own file permits. */
function pinsOf({ stateDir, instances, recipients = [], organisationKey, restoreTargets, restoreConnections, hooks }: AgentConfig, agent: string): Pins & { readonly hooks: ReturnType<typeof hookCommands> } {
  const permitRecipients = organisationKey === undefined ? permitListed(recipients) : permitSigned(organisationKey, seenRecipients(stateDir));
  return { agent, instances: new Map(Object.entries(instances)), permitRecipients, restoreTargets, restoreConnections, hooks: hookCommands(hooks) };
}

/** What lies between a tool and the repository, in the server's process or in one of the agent's own. */
export function buffersOf({ bufferBytes, spoolBytes, spoolDir }: AgentLimits): AgentBuffers {
  // A directory of its own below the one that is named: what lies in it without an owner is removed at the start.
  const spoolRoot = spoolDir === undefined ? undefined : join(spoolDir, "holdfast-spool");
  return { bufferBytes, spoolBytes, spoolRoot };
}

/** Reads the token anew for each call: a rotated one is taken up by a process that runs. */
function clientOf({ server, fingerprint }: AgentIdentity, stateDir: string): Client {
  return createClient(remoteTransport({ url: server, fingerprint: fingerprint ?? undefined, token: () => readIdentity(stateDir).token }));
}

/** The server may be away when the agent starts. */
async function begin(client: Client, log: Log, signal: AbortSignal): Promise<{ session: string; name: string; pools: string[] }> {
  for (;;) {
    try {
      return await client.call(api.agent.begin, {}, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isHoldfastError(error, "UNREACHABLE") && !isHoldfastError(error, "TOO_MANY_REQUESTS")) throw error;
      log.warn({ err: error }, "the server does not answer; will ask again");
      await delay(BEGIN_AGAIN_MS, signal);
    }
  }
}

export interface JoinRequest {
  readonly server: string;
  readonly tokenFile: string;
  readonly fingerprint: string | undefined;
  readonly name: string;
}

/** Exchanges a token to join for an identity, which is kept in the state directory. */
export async function joinServer(config: AgentConfig, { server, tokenFile, fingerprint, name }: JoinRequest): Promise<{ agentId: string; name: string; pools: string[] }> {
  await prepareStateDir(stateDirAt(config.stateDir));
  if (existsSync(identityPath(config.stateDir))) throw alreadyJoined(config.stateDir);
  const token = await readFile(tokenFile, "utf8").catch((cause: unknown) => {
    throw new HoldfastError("CONFIG_INVALID", `The token file ${tokenFile} cannot be read: ${(cause as Error).message}.`, { cause });
  });
  const pinned = checkedFingerprint(fingerprint);
  const client = createClient(remoteTransport({ url: server, fingerprint: pinned, token: () => null }));
  const { agent, text, signingPublicKey } = await client.call(api.agents.join, { token: token.trim(), name });
  await keepIdentity(config.stateDir, { server, fingerprint: pinned ?? null, agentId: agent.agentId, name: agent.name, token: text, signingPublicKey });
  return { agentId: agent.agentId, name: agent.name, pools: [...agent.pools] };
}

/** Takes a new token in the place of the old one, which ends with the first use of the new. */
export async function rotateIdentity(config: AgentConfig): Promise<{ agentId: string; name: string }> {
  const identity = readIdentity(config.stateDir);
  const { text } = await clientOf(identity, config.stateDir).call(api.agents.rotate, {});
  await replaceIdentity(config.stateDir, { ...identity, token: text });
  // The first use makes it the only one.
  await clientOf(identity, config.stateDir).call(api.agents.self, {});
  return { agentId: identity.agentId, name: identity.name };
}
