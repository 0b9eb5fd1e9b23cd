import type { Way } from "./cli/command.ts";
import { type Client, createClient, httpTransport, remoteTransport } from "./client/index.ts";
import { loadConfig } from "./config/config-file.ts";
import { systemClock } from "./lib/clock.ts";
import type { createLog } from "./lib/log.ts";
import { remoteServer } from "./profiles.ts";
import { answers } from "./server/serve-socket.ts";
import { prepareStateDir, stateDirAt } from "./state-dir.ts";
import { startUp } from "./up.ts";

/** A way to the server for one command. */
export interface Connection {
  readonly client: Client;
  stop(): Promise<void>;
}

export interface ConnectOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly openLog: typeof createLog;
}

/** A network may swallow an answer; nobody there is said within two seconds. */
const REMOTE_TRIES = 4;

/** To the server that the command line names or, when it names none, to the running `up` over its socket or, when none runs, to the same thing inside this process for as long as the command lasts. */
export async function connect(way: Way, { env, openLog }: ConnectOptions): Promise<Connection> {
  const remote = await remoteServer(way, env);
  if (remote !== null) return { client: createClient(remoteTransport(remote), { tries: REMOTE_TRIES }), stop: () => Promise.resolve() };
  const config = await loadConfig(way.config, env);
  const state = stateDirAt(config.stateDir);
  if (await answers(state.socketPath)) {
    return { client: createClient(httpTransport(state.socketPath)), stop: () => Promise.resolve() };
  }
  await prepareStateDir(state);
  const log = openLog({ level: config.logLevel, destination: state.logPath });
  const up = await startUp({ config, log, clock: systemClock, mode: "oneshot" });
  return { client: up.client, stop: () => up.stop() };
}
