import { commands } from "./cli/index.ts";
import { runProgram } from "./cli/program.ts";
import { connect, type Connection } from "./connect.ts";
import { systemClock } from "./lib/clock.ts";
import { ERRORS, HoldfastError } from "./lib/errors.ts";
import { createLog, type Log } from "./lib/log.ts";
import { localActions } from "./local-actions.ts";
import { productVersion } from "./version.ts";

/** Wide enough that no id or name is cut where another program reads. */
const PIPED_COLUMNS = 200;

const connections: Connection[] = [];
const logs: Log[] = [];
const openLog: typeof createLog = (options) => {
  const log = createLog(options);
  logs.push(log);
  return log;
};
const interrupted = new AbortController();

process.on("SIGINT", onSignal);
process.on("SIGTERM", onSignal);
process.on("uncaughtException", onFault);
process.on("unhandledRejection", onFault);
// Whoever reads the output may go away (`| head`, a closed terminal): what is under way is worth more.
process.stdout.on("error", () => undefined);
process.stderr.on("error", () => undefined);
process.exit(await main());

async function main(): Promise<number> {
  const code = await runProgram(process.argv.slice(2), commands, {
    local: localActions({ env: process.env, stdin: process.stdin, stderr: process.stderr, openLog }),
    connect: async (way) => {
      const connection = await connect(way, { env: process.env, openLog });
      connections.push(connection);
      return connection.client;
    },
    isFar: ({ server, profile }) => server !== undefined || profile !== undefined || Boolean(process.env["HOLDFAST_PROFILE"]),
    stdout: process.stdout,
    stderr: process.stderr,
    interactive: process.stderr.isTTY,
    columns: process.stdout.isTTY ? process.stdout.columns : PIPED_COLUMNS,
    version: productVersion(),
    defaultConfigPath: process.env["HOLDFAST_CONFIG"] || "holdfast.yaml",
    signal: interrupted.signal,
    nowMs: () => systemClock.nowMs(),
    onError: (error) => {
      for (const log of logs) log.error({ err: error }, "command failed");
    },
  });
  for (const connection of connections) await connection.stop();
  return code;
}

/** The first signal asks everything to end in order; a second one does not wait. */
function onSignal(signal: NodeJS.Signals): void {
  if (interrupted.signal.aborted) process.exit(ERRORS.CANCELLED.exit);
  interrupted.abort(new HoldfastError("CANCELLED", `Interrupted by ${signal}.`));
}

/** A fault that nobody caught: everything about it goes to the log, one sentence to the person. Nothing can be relied on any more, so the process ends. */
function onFault(error: unknown): void {
  for (const log of logs) log.error({ err: error }, "unforeseen fault; the process ends");
  const { exit, hint } = ERRORS.INTERNAL;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`holdfast: an unforeseen fault ended this process: ${message}\n  ${hint}\n`);
  if (logs.length === 0) process.stderr.write(`${error instanceof Error ? (error.stack ?? "") : ""}\n`);
  process.exit(exit);
}
