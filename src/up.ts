import { hostname } from "node:os";
import { sandboxUserFrom } from "./accounts.ts";
import { ownAgentGate } from "./agent-gate.ts";
import { admitHooks, runAgent } from "./agent/index.ts";
import { buffersOf } from "./agent-process.ts";
import { agentNames } from "./catalog/agents.ts";
import { newestEvent } from "./catalog/events.ts";
import { inTransaction, openCatalog } from "./catalog/open-catalog.ts";
import { type Client, createClient, inMemoryTransport } from "./client/index.ts";
import { Closers } from "./closers.ts";
import { type Config, parseConfig } from "./config/config.ts";
import { applyConfig } from "./control/apply-config.ts";
import type { Dispatcher } from "./control/dispatch.ts";
import { EventWatch } from "./control/event-watch.ts";
import { frozenNow } from "./control/frozen.ts";
import { giveUpAttempts } from "./control/give-up-attempts.ts";
import { createGrants } from "./control/grants.ts";
import { createLeases } from "./control/leases.ts";
import { keepServerState } from "./control/keep-state.ts";
import { controlLoops, guardedPass, type Loop, recoverAtStart, startLoops } from "./control/loops.ts";
import { openRepositories } from "./control/open-repository.ts";
import { createPlanWork } from "./control/orders.ts";
import { type ControlPorts, type ControlSettings, DEFAULT_SETTINGS } from "./control/ports.ts";
import { watchedLogIndex } from "./control/watched-log-index.ts";
import { engines } from "./engines/index.ts";
import { hookCommands } from "./config/hook-config.ts";
import { runJob } from "./jobs/run-job.ts";
import { keyholderIn } from "./keyholder-in.ts";
import { sealText } from "./keys/sealed-text.ts";
import { canonicalJson } from "./lib/canonical-json.ts";
import { type Clock, isoTime } from "./lib/clock.ts";
import { relaxCollector } from "./lib/collector.ts";
import { HoldfastError } from "./lib/errors.ts";
import { idFactory } from "./lib/ids.ts";
import type { Log } from "./lib/log.ts";
import { api } from "./model/api/index.ts";
import { LOCAL_POOL } from "./model/instance.ts";
import { grantVerifier } from "./model/grant-check.ts";
import type { SignedRecipients } from "./model/signed-recipients.ts";
import { logIndexOpener } from "./open-log-index.ts";
import { type Queue, queues } from "./queue/index.ts";
import { buildApp } from "./server/app.ts";
import type { ServerContext } from "./server/context.ts";
import { routes } from "./server/routes/index.ts";
import { listenFingerprint, serveNetwork } from "./serve-network.ts";
import { serveSocket } from "./server/serve-socket.ts";
import { readSignedRecipients } from "./signed-recipients.ts";
import { keepCompiledCode, prepareStateDir, type ServerKeys, serverKeys, type StateDir, stateDirAt } from "./state-dir.ts";
import type { Storage } from "./storage/storage.ts";
import { openStorages } from "./storages.ts";
import { pinTools } from "./tool-path.ts";
import { productVersion } from "./version.ts";

export interface UpOptions {
  readonly config: Config;
  readonly log: Log;
  readonly clock: Clock;
  /** `oneshot` serves one command inside its process: nothing is scheduled, no log is shipped, nobody else is served. */
  readonly mode: "daemon" | "oneshot";
  /** `server` leaves out the agent: all work is done by agents of other machines. */
  readonly parts?: "all" | "server";
  /** Replaces some of the server's settings; for tests. */
  readonly settings?: Partial<ControlSettings>;
  /** Stands between Holdfast and each repository; for tests. */
  readonly wrapStorage?: ((storage: Storage) => Storage) | undefined;
}

export interface Up {
  readonly client: Client;
  /** Ends what runs, in order: no new calls, no new work, running work, then the catalog. */
  stop(): Promise<void>;
}

const POLL_EVERY_MS = 3_000;
/** What could not be kept is tried again; what has not changed costs a few reads of the catalog. */
const KEEP_STATE_EVERY_MS = 5 * 60_000;
/** Loops that only look after what runs already; the others begin work that nobody has asked for. */
const ONESHOT_LOOPS = new Set(["progress", "reaper", "commit"]);

/** Everything of Holdfast in one process: catalog, control plane, API, keyholder, gate and agent. */
export async function startUp(options: UpOptions): Promise<Up> {
  const closers = new Closers(options.log);
  try {
    const state = stateDirAt(options.config.stateDir);
    await prepareStateDir(state);
    keepCompiledCode(state.cachePath, process.env);
    relaxCollector();
    pinTools(options.config.agent.toolPath, process.env);
    const core = await openCore(options, state, closers);
    if (options.mode === "daemon") await takeUp(options, core);
    const client = await serve(options, { state, core, closers });
    options.log.info({ stateDir: state.root, mode: options.mode, signingKey: core.keys.signer.fingerprint }, "holdfast is up");
    return { client, stop: () => closers.closeAll() };
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

interface Core {
  readonly keys: ServerKeys;
  readonly ports: ControlPorts;
  readonly dispatcher: Dispatcher;
  /** Changes when a configuration is applied. */
  readonly current: { config: Config; signedRecipients: SignedRecipients | undefined };
  readonly storages: Map<string, ReturnType<ControlPorts["storages"]["get"]> & object>;
  readonly agentName: string;
  /** Jobs that this process was asked for; kept for a command only. */
  readonly asked: ReadonlySet<string>;
}

function rememberKnocks(queue: Queue, asked: Set<string>): Queue {
  return {
    ...queue,
    knock: (pool, jobId) => {
      asked.add(jobId);
      return queue.knock(pool, jobId);
    },
  };
}

/** While all agents are elsewhere their work outlives a server that is away for a while. */
const SERVER_LEASE_MS = 15 * 60_000;

function leaseSettings({ config, parts }: UpOptions): Pick<ControlSettings, "leaseMs" | "heartbeatEveryMs"> {
  const leaseMs = config.agents.leaseFor ?? (parts === "server" ? SERVER_LEASE_MS : DEFAULT_SETTINGS.leaseMs);
  return { leaseMs, heartbeatEveryMs: Math.min(DEFAULT_SETTINGS.heartbeatEveryMs, Math.floor(leaseMs / 4)) };
}

async function openCore(options: UpOptions, state: StateDir, closers: Closers): Promise<Core> {
  const { config, log, clock, mode, settings, wrapStorage: wrap } = options;
  const catalog = await openCatalog({ path: state.catalogPath, log });
  closers.add("catalog", () => catalog.close());
  // After the catalog: it holds the lock that makes this process the only one here.
  const keys = await serverKeys(state, clock);
  const embedded = queues.embedded();
  closers.add("queue", () => embedded.close());
  const asked = new Set<string>();
  const queue: Queue = mode === "daemon" ? embedded : rememberKnocks(embedded, asked);
  const storages = openStorages(config, { log, clock, wrap });
  const ports: ControlPorts = { catalog, storages, signer: keys.signer, clock, newId: idFactory(), log, queue, segmentsToLookInto: new Set() };
  // Somebody waits for the one job of a command: its error is worth more than another try.
  const all: ControlSettings = { ...DEFAULT_SETTINGS, ...leaseSettings(options), agentSilentMs: config.agents.silentAfter, ownPools: options.parts === "server" ? [] : [LOCAL_POOL], ...(mode === "oneshot" ? { maxAttempts: 1, shipsLog: false } : {}), ...settings };
  const current: Core["current"] = { config, signedRecipients: await readSignedRecipients(config) };
  const planWork = createPlanWork({ clock, newId: ports.newId, metadataRecipient: keys.metadata.recipient, signedRecipients: () => current.signedRecipients });
  const dispatcher: Dispatcher = { ports, leases: createLeases(ports, all), settings: all, planWork };
  return { keys, ports, dispatcher, current, storages, asked, agentName: config.agent.name ?? hostname() };
}

/** Makes the configuration the catalog's own and finishes what a crash cut short. */
async function takeUp(options: UpOptions, core: Core): Promise<void> {
  const { catalog, newId } = core.ports;
  await applyConfig(catalog.db, options.config, { dryRun: false, at: isoTime(options.clock.nowMs()), newId });
  await recover(options, core);
  if (options.mode === "oneshot") await guardedPass(core.ports, keepStateLoop(core));
}

/** Keeps in the repositories what it takes to come back without this machine. */
function keepStateLoop({ ports, keys, current }: Core): Loop {
  const pass = (): Promise<unknown> => {
    const { keys: { recipients }, withoutSecrets } = current.config;
    return keepServerState(ports, { signingKey: keys.signingPem, metadataIdentity: keys.metadata.identity, configuration: withoutSecrets, recipients, seal: sealText });
  };
  return { name: "keep-state", everyMs: KEEP_STATE_EVERY_MS, pass };
}

/** A command takes the configuration up with its first call, unless that is `apply`, which must find the catalog as it was. */
function takingUpFirst(client: Client, options: UpOptions, core: Core): Client {
  let takenUp: Promise<void> | undefined;
  return {
    call: async (route, input, signal) => {
      if (route.name !== api.system.apply.name) await (takenUp ??= takeUp(options, core));
      return client.call(route, input, signal);
    },
  };
}

/** A service without any usable repository does not start; a command may still look around. */
async function recover({ mode }: UpOptions, core: Core): Promise<void> {
  const failed = await recoverAtStart(core.dispatcher);
  await giveUpOwnAttempts(core);
  const frozen = await frozenNow(core.ports.catalog.db);
  if (mode === "daemon" && frozen !== null) core.ports.log.warn(frozen, "FROZEN: nothing is scheduled, begun or deleted until `holdfast thaw`");
  const [first] = failed;
  if (mode === "daemon" && first !== undefined && failed.length === core.storages.size) throw first.error;
}

/**
 * The agent lives in this process, and this process is the only one on this catalog: attempts that run under its name
 * are dead, and their work need not wait for their leases to run out.
 */
async function giveUpOwnAttempts({ dispatcher: { ports, leases }, agentName }: Core): Promise<void> {
  const { db } = ports.catalog;
  // Should an agent of another machine have taken the name, its work lives.
  if ((await agentNames(db)).has(agentName)) return;
  const why = (attemptId: string): string => `The process that ran attempt ${attemptId} died.`;
  const ended = await inTransaction(db, (tx) => giveUpAttempts({ ports, settings: DEFAULT_SETTINGS }, { db: tx, agent: agentName }, why));
  for (const attemptId of ended) leases.end(attemptId);
}

async function serve(options: UpOptions, { state, core, closers }: { state: StateDir; core: Core; closers: Closers }): Promise<Client> {
  const { log, mode } = options;
  const context = contextOf(options, core, state);
  const app = buildApp(routes, context, { log });
  closers.add("application", () => app.close());
  const client = createClient(inMemoryTransport(app));
  if (options.parts !== "server") await startAgent(options, { state, core, client, closers });
  const loops = controlLoops(core.dispatcher, context.openLogIndex).filter(({ name }) => mode === "daemon" || ONESHOT_LOOPS.has(name));
  const running = startLoops(core.ports, mode === "daemon" ? [...loops, keepStateLoop(core)] : loops);
  closers.add("loops", () => running.stop());
  if (mode === "oneshot") {
    closers.add("asked jobs", () => cancelAsked(client, core));
    return takingUpFirst(client, options, core);
  }
  // An application of its own: it closes first, while the agent still reports through the other one.
  closers.add("socket", await serveSocket(buildApp(routes, context, { log }), state.socketPath));
  const { listen } = options.config;
  if (listen !== undefined) closers.add("network", await serveNetwork({ listen, selfMadePath: state.tlsPath, ports: core.ports, routes, context }));
  return client;
}

/** A command that ends before its job takes the job with it: nobody expects that it goes on with the next `up`. */
async function cancelAsked(client: Client, { asked }: Core): Promise<void> {
  for (const jobId of asked) {
    const { job } = await client.call(api.jobs.show, { jobId });
    if (job.state === "due" || job.state === "running") await client.call(api.jobs.cancel, { jobId });
  }
}

function contextOf(options: UpOptions, core: Core, state: StateDir): ServerContext {
  const { clock, log, mode, parts, config: started } = options;
  const { current, ports, dispatcher, keys } = core;
  const keyholder = keyholderIn(() => current.config, { verifyGrant: grantVerifier(keys.signer.publicKey), log, clock });
  return {
    dispatcher,
    eventWatch: new EventWatch(() => newestEvent(ports.catalog.db)),
    grants: createGrants(ports, dispatcher.settings),
    keyholder: keyholder.opens,
    openLogIndex: watchedLogIndex(ports, logIndexOpener(ports, keys.metadata.identity)),
    heldRecipients: () => keyholder.heldRecipients(),
    configuration: {
      sourceName: () => current.config.sourceName,
      parse: async (yaml, sourceName) => {
        const config = requireSameState(current.config, parseConfig(yaml, sourceName, process.env));
        if (parts !== "server") requireSameHooks(started, config);
        // What could not be put into orders must not become the catalog's.
        await readSignedRecipients(config);
        return config;
      },
      // What comes here was made by `parse` above: it is a whole configuration.
      applied: (desired) => takeOver(core, desired as Config, options),
    },
    // A command in its own process has nobody else to serve an instance.
    ownPools: mode === "daemon" ? [LOCAL_POOL] : null,
    ownAgentName: parts === "server" ? null : core.agentName,
    serverFingerprint: async () => (started.listen === undefined ? null : listenFingerprint(started.listen, state.tlsPath, ports)),
    version: productVersion(),
  };
}

function requireSameState(now: Config, next: Config): Config {
  if (next.stateDir === now.stateDir) return next;
  throw new HoldfastError("REFUSED", `The configuration ${next.sourceName} names the state directory ${next.stateDir}, but this server works on ${now.stateDir}.`, {
    hint: "Apply the configuration that this server was started with, or stop it and start it with the other one.",
  });
}

/** Whoever may change the configuration over the API brings no command to this machine. */
function requireSameHooks(started: Config, next: Config): void {
  if (canonicalJson(started.hooks) === canonicalJson(next.hooks)) return;
  throw new HoldfastError("REFUSED", `The \`hooks\` of ${next.sourceName} are not those that this server was started with, and are read only at the start, from the file of its own machine; nothing was changed.`, {
    hint: "Change them in that file and start `holdfast up` again; it makes the rest of the file the current configuration too.",
  });
}

/** Opens the repositories of an applied configuration in place of the ones before. */
async function takeOver(core: Core, config: Config, { wrapStorage, log, clock }: UpOptions): Promise<void> {
  const { current, storages, ports } = core;
  const opened = openStorages(config, { log, clock, wrap: wrapStorage });
  storages.clear();
  for (const [name, storage] of opened) storages.set(name, storage);
  current.config = config;
  current.signedRecipients = await readSignedRecipients(config);
  await openRepositories(ports);
  await guardedPass(ports, keepStateLoop(core));
}

async function startAgent(options: UpOptions, at: { state: StateDir; core: Core; client: Client; closers: Closers }): Promise<void> {
  const { config, clock, log, mode } = options;
  const { ports, agentName, storages, keys } = at.core;
  const hooks = hookCommands(config.hooks);
  const stopping = new AbortController();
  const agent = runAgent({
    name: agentName,
    client: at.client,
    gate: await ownAgentGate(config, { repositories: storages, publicKey: keys.signer.publicKey, clock }, at.closers),
    queue: ports.queue,
    pools: [LOCAL_POOL],
    engines: new Map(engines.map((engine) => [engine.kind, engine])),
    maxJobs: config.agent.maxJobs,
    buffers: buffersOf(config.agent),
    pollEveryMs: mode === "daemon" ? POLL_EVERY_MS : null,
    scratchRoot: at.state.scratchRoot,
    admit: admitHooks({ agent: agentName, hooks }),
    hooks,
    sandboxUser: await sandboxUserFrom(config.agent.sandboxUser),
    clock,
    log: log.child({ agent: agentName }),
    newId: ports.newId,
    signal: stopping.signal,
    runJob,
  });
  at.closers.add("agent", async () => {
    stopping.abort();
    await agent;
  });
  agent.catch((error: unknown) => {
    log.error({ err: error }, "the agent ended");
  });
}

