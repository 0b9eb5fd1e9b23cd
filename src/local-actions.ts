import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { loadAgentConfig } from "./config/agent-config.ts";
import { joinServer, rotateIdentity, runAgentProcess } from "./agent-process.ts";
import { keyCeremony } from "./ceremony.ts";
import { checkIdentities, checkRecipients } from "./check-keys.ts";
import type { LocalActions } from "./cli/command.ts";
import { loadConfig, readTextFile } from "./config/config-file.ts";
import { parseConfig } from "./config/config.ts";
import { demo, type DemoHost } from "./demo/demo.ts";
import { diagnoseHere } from "./doctor.ts";
import { gatewayLogPath, startGateway } from "./gateway.ts";
import { parseGatewayConfig } from "./config/gateway-config.ts";
import { keyFromPaper } from "./from-paper.ts";
import { keyholderPaths, startKeyholder } from "./keyholder.ts";
import { parseKeyholderConfig } from "./config/keyholder-config.ts";
import { generateKeyPair, writeIdentityFile } from "./keys/identities.ts";
import { checkReleaseLog } from "./keys/release-log.ts";
import { systemClock } from "./lib/clock.ts";
import type { createLog } from "./lib/log.ts";
import { makeOrganisationKey, signRecipients } from "./organisation-key.ts";
import { rebuildCatalogFrom } from "./rebuild.ts";
import { recoverServer } from "./recover.ts";
import { rotateRecipient } from "./rotate-recipient.ts";
import { makeDir, prepareStateDir, stateDirAt } from "./state-dir.ts";
import { openTerminal } from "./terminal.ts";
import { startUp } from "./up.ts";

export interface LocalHost {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly stderr: Writable & { readonly fd?: number; readonly isTTY?: boolean };
  readonly openLog: typeof createLog;
}

/** What commands do in this process, without asking a server. */
export function localActions(host: LocalHost): LocalActions {
  const { env } = host;
  return {
    up: (options) => runUp(options, host, "all"),
    gateway: (options) => runGateway(options, host),
    server: (options) => runUp(options, host, "server"),
    agentRun: (options) => runAgentHere(options, host),
    agentJoin: async ({ config, ...request }) => joinServer(await loadAgentConfig(config), request),
    agentRotate: async ({ config }) => rotateIdentity(await loadAgentConfig(config)),
    demo: ({ keep, sizeMb, signal, output }) => {
      const print = (line: string): void => {
        output.note(line);
      };
      const demoHost = { print, nowMs: () => systemClock.nowMs(), makeKey: async (path: string) => (await makeKey(path)).recipient, startUp: startQuietly(host) };
      return demo(demoHost, { keep, sizeMb, signal });
    },
    keyholder: (options) => runKeyholder(options, host),
    keyRotate: ({ config, ...rotation }) => rotateRecipient({ configPath: config, env, ...rotation }),
    keyLog: ({ path, head }) => checkReleaseLog(path, head),
    doctor: ({ config }) => diagnoseHere(config, env),
    keyGenerate: ({ path }) => makeKey(path),
    keyOrganisation: ({ path }) => makeOrganisationKey(path),
    keySignRecipients: (options) => signRecipients({ ...options, clock: systemClock }),
    keyCeremony: (options) => keyCeremony({ ...options, terminal: openTerminal(host.stdin, host.stderr) }),
    keyFromPaper: ({ path, signal }) => keyFromPaper({ path, signal, clock: systemClock, terminal: openTerminal(host.stdin, host.stderr) }),
    keyCheck: async ({ config: configPath, path }) => {
      const config = await loadConfig(configPath, env);
      return [...checkRecipients(config), ...(await checkIdentities(config, path === undefined ? config.keys.identities : [path]))];
    },
    catalogRebuild: async ({ config: configPath, repository, signal }) => {
      const config = await loadConfig(configPath, env);
      const state = stateDirAt(config.stateDir);
      await prepareStateDir(state);
      const log = host.openLog({ level: config.logLevel, destination: state.logPath });
      return rebuildCatalogFrom(config, { repository, signal, log, clock: systemClock });
    },
    recover: ({ config: configPath, repository, fingerprint, identity, stateDir, signal }) => {
      const openLog = (root: string) => host.openLog({ level: "info", destination: stateDirAt(root).logPath });
      return recoverServer({ configPath, repository, fingerprint, identityPath: identity, stateDir, signal, openLog, clock: systemClock });
    },
    readFile: readTextFile,
  };
}

async function makeKey(path: string): Promise<{ recipient: string; path: string }> {
  const pair = await generateKeyPair();
  await writeIdentityFile(path, pair, systemClock);
  return { recipient: pair.recipient, path };
}

/** Runs until the signal, then stops in order. */
async function runUp({ config: configPath, signal }: { config: string; signal: AbortSignal }, { env, stderr, openLog }: LocalHost, parts: "all" | "server"): Promise<void> {
  const config = await loadConfig(configPath, env);
  await prepareStateDir(stateDirAt(config.stateDir));
  const log = openLog({ level: config.logLevel, destination: stateDirAt(config.stateDir).logPath, readable: stderr });
  const up = await startUp({ config, log, clock: systemClock, mode: "daemon", parts });
  try {
    if (!signal.aborted) await once(signal, "abort");
    log.info({}, "stopping");
  } finally {
    await up.stop();
  }
}

/** Runs until the signal. What the file says is of the gateway alone: nothing of a server is read. */
async function runGateway({ config: configPath, signal }: { config: string; signal: AbortSignal }, { env, stderr, openLog }: LocalHost): Promise<void> {
  const config = parseGatewayConfig(await readTextFile(configPath), configPath, env);
  await makeDir(config.stateDir, 0o700);
  const log = openLog({ level: config.logLevel, destination: gatewayLogPath(config), readable: stderr });
  const gateway = await startGateway({ config, log, clock: systemClock });
  try {
    if (!signal.aborted) await once(signal, "abort");
    log.info({}, "stopping");
  } finally {
    await gateway.stop();
  }
}

async function runAgentHere({ config: configPath, signal }: { config: string; signal: AbortSignal }, { stderr, openLog }: LocalHost): Promise<void> {
  const config = await loadAgentConfig(configPath);
  const state = stateDirAt(config.stateDir);
  await prepareStateDir(state);
  const log = openLog({ level: config.logLevel, destination: state.logPath, readable: stderr });
  await runAgentProcess({ config, log, clock: systemClock, signal });
}

/** Runs until the signal, then lets answers under way end. */
async function runKeyholder({ config: configPath, signal }: { config: string; signal: AbortSignal }, { stderr, openLog }: LocalHost): Promise<void> {
  const config = parseKeyholderConfig(await readTextFile(configPath), configPath);
  await makeDir(config.stateDir, 0o700);
  const log = openLog({ level: config.logLevel, destination: keyholderPaths(config.stateDir).log, readable: stderr });
  const keyholder = await startKeyholder({ config, log, clock: systemClock });
  try {
    if (!signal.aborted) await once(signal, "abort");
    log.info({}, "stopping");
  } finally {
    await keyholder.stop();
  }
}

/** The demo tells its own story; what Holdfast says of it goes to the log file. */
function startQuietly({ openLog }: LocalHost): DemoHost["startUp"] {
  return async (yaml, sourceName) => {
    const config = parseConfig(yaml, sourceName, {});
    const state = stateDirAt(config.stateDir);
    await prepareStateDir(state);
    const log = openLog({ level: config.logLevel, destination: state.logPath });
    return startUp({ config, log, clock: systemClock, mode: "daemon" });
  };
}
