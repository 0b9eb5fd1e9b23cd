import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import type { Log } from "../../lib/log.ts";
import { type RunAs, runTool, startTool, type Tool, type ToolExit } from "../../lib/process.ts";
import { optionFileText, writePrivateFile } from "./option-file.ts";
import { SOCKET_PATH_BYTES, waitForGreeting } from "./server-greeting.ts";
import { toolFile } from "./tools.ts";

export { sandboxAccount } from "./sandbox-account.ts";

export interface ServerSpec {
  readonly dataDir: string;
  /** At most 107 bytes, as Unix sockets demand; its directory holds the configuration and must belong to `runAs`. */
  readonly socket: string;
  /** Loopback port; null or absent starts without any network. */
  readonly port?: number | null;
  /** Account of the server; must be given when we are root. */
  readonly runAs: RunAs | undefined;
  /** Options of the group `[mysqld]`; `true` writes the bare name. */
  readonly extraConfig: Readonly<Record<string, string | true>>;
  readonly errorLog: string;
  /** Statements run by the server, with all privileges, before it accepts connections. */
  readonly initSql?: string | undefined;
  /** When it aborts, the server is stopped: SIGTERM, then SIGKILL. */
  readonly signal?: AbortSignal | undefined;
  readonly log: Log;
  readonly startLimitMs?: number;
  readonly stopLimitMs?: number;
  /** Program to start; `mariadbd` without it. */
  readonly program?: string;
  /** Its environment, besides what every tool has. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface RunningServer {
  readonly pid: number;
  readonly socket: string;
  readonly port: number | null;
  readonly errorLog: string;
  /** Settles when the server has ended, for whatever reason; never rejects. */
  readonly exited: Promise<ToolExit>;
  /** Ends the server and waits. Throws SANDBOX_FAILED when it did not shut down cleanly: its data are then not at rest. */
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 600_000;
const LOG_TAIL_LINES = 25;

/**
 * Starts a MariaDB server whose life is bound to ours and waits until it greets on its socket.
 * All settings stand in an option file beside the socket, nothing on the command line.
 * Throws SANDBOX_FAILED with the end of the server's own log when it ends early or does not answer in time.
 */
export async function startServer(spec: ServerSpec): Promise<RunningServer> {
  refuseLongSocket(spec.socket);
  const files = runFiles(spec.socket);
  await removeRunFiles(spec.socket);
  await mkdir(dirname(spec.errorLog), { recursive: true });
  if (spec.initSql !== undefined) await writePrivateFile(files.initSql, spec.initSql, spec.runAs);
  await writePrivateFile(files.config, optionFileText({ mysqld: serverOptions(spec) }), spec.runAs);
  const tool = startTool({
    file: spec.program ?? (await toolFile("mariadbd")),
    args: [`--defaults-file=${files.config}`],
    cwd: spec.dataDir,
    ...(spec.env === undefined ? {} : { env: spec.env }),
    runAs: spec.runAs,
    stdout: "ignore",
    signal: spec.signal,
  });
  const state = { ended: false };
  void tool.exited.then(() => {
    state.ended = true;
  });
  await requireGreeting(spec, tool, state);
  // The statements may hold a password and have done their work.
  await rm(files.initSql, { force: true });
  spec.log.debug({ pid: tool.pid, socket: spec.socket }, "server started");
  return runningServer(spec, tool, state);
}

function runningServer(spec: ServerSpec, tool: Tool, state: { ended: boolean }): RunningServer {
  return {
    pid: tool.pid ?? -1,
    socket: spec.socket,
    port: spec.port ?? null,
    errorLog: spec.errorLog,
    exited: tool.exited,
    kill: (signal) => {
      tool.kill(signal);
    },
    stop: async () => {
      const exit = state.ended ? await tool.exited : await shutDown(tool, spec.stopLimitMs ?? STOP_LIMIT_MS);
      await removeRunFiles(spec.socket);
      if (exit.code !== 0) throw await serverFault(spec, exit, `the server on ${spec.dataDir} did not shut down cleanly (${exitWords(exit)})`);
    },
  };
}

function serverOptions(spec: ServerSpec): Record<string, string | true> {
  const files = runFiles(spec.socket);
  const network: Record<string, string | true> = spec.port == null ? { skip_networking: true } : { bind_address: "127.0.0.1", port: String(spec.port) };
  return {
    datadir: spec.dataDir,
    socket: spec.socket,
    pid_file: files.pid,
    log_error: spec.errorLog,
    ...network,
    ...(spec.initSql === undefined ? {} : { init_file: files.initSql }),
    ...spec.extraConfig,
  };
}

function runFiles(socket: string): { config: string; initSql: string; pid: string } {
  return { config: `${socket}.cnf`, initSql: `${socket}.init`, pid: `${socket}.pid` };
}

async function removeRunFiles(socket: string): Promise<void> {
  const files = runFiles(socket);
  for (const path of [files.config, files.initSql, files.pid, socket]) await rm(path, { force: true });
}

function refuseLongSocket(socket: string): void {
  if (Buffer.byteLength(socket) <= SOCKET_PATH_BYTES) return;
  throw new HoldfastError("SANDBOX_FAILED", `The socket path ${socket} has ${String(Buffer.byteLength(socket))} bytes, and a Unix socket allows ${String(SOCKET_PATH_BYTES)}.`, {
    hint: "Give the agent a shorter scratch directory.",
  });
}

async function requireGreeting(spec: ServerSpec, tool: Tool, state: { ended: boolean }): Promise<void> {
  const limitMs = spec.startLimitMs ?? START_LIMIT_MS;
  const answer = await waitForGreeting({ socket: spec.socket, limitMs, ended: () => state.ended, signal: spec.signal });
  if (answer === "ready") return;
  if (answer === "late") tool.kill("SIGKILL");
  const exit = await tool.exited;
  await removeRunFiles(spec.socket);
  spec.signal?.throwIfAborted();
  const how = answer === "late" ? `did not answer within ${String(Math.round(limitMs / 1_000))} s` : `ended before it was ready (${exitWords(exit)})`;
  throw await serverFault({ ...spec, said: tool.stderrTail() }, exit, `the server on ${spec.dataDir} ${how}`);
}

async function shutDown(tool: Tool, limitMs: number): Promise<ToolExit> {
  tool.kill("SIGTERM");
  const timer = setTimeout(() => {
    tool.kill("SIGKILL");
  }, limitMs);
  try {
    return await tool.exited;
  } finally {
    clearTimeout(timer);
  }
}

function exitWords(exit: ToolExit): string {
  if (exit.startError !== undefined) return exit.startError.message;
  return exit.killedBy === null ? `exit code ${String(exit.code)}` : `signal ${exit.killedBy}`;
}

async function serverFault(spec: ServerSpec & { said?: string }, exit: ToolExit, what: string): Promise<HoldfastError> {
  const tail = await logTail(spec.errorLog);
  const said = [tail, (spec.said ?? "").trim()].filter((text) => text !== "").join("\n");
  return new HoldfastError("SANDBOX_FAILED", `${what.charAt(0).toUpperCase()}${what.slice(1)}: ${said === "" ? "its log is empty" : said}`, {
    details: exit.killedBy === null ? {} : { killedBy: exit.killedBy },
  });
}

/** The last lines of a server's own log; empty when there is none. */
export async function logTail(path: string, lines = LOG_TAIL_LINES): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trimEnd().split("\n").slice(-lines).join("\n");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

/** Makes a new, empty server in `dataDir`: root without password over the socket, no test schema. */
export async function initDataDir(spec: { dataDir: string; runAs: RunAs | undefined; signal?: AbortSignal }): Promise<void> {
  await runTool({
    file: await toolFile("mariadb-install-db"),
    args: ["--no-defaults", `--datadir=${spec.dataDir}`, `--tmpdir=${join(spec.dataDir, "..")}`, "--auth-root-authentication-method=normal", "--skip-test-db"],
    runAs: spec.runAs,
    stdout: "pipe",
    signal: spec.signal,
  });
}
