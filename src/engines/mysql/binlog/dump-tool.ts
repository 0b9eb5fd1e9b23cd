import { randomInt } from "node:crypto";
import { join } from "node:path";
import { type Tool, type ToolExit, startTool } from "../../../lib/process.ts";
import { writeDefaultsFile } from "../defaults-file.ts";
import type { MysqlConnection } from "../options.ts";
import { toolFile } from "../tools.ts";
import { Spool } from "./spool.ts";

/**
 * Two replicas with one server id throw each other out, so each run takes one at random from the upper end of the
 * range, where people number no servers.
 */
const SERVER_ID_FROM = 3_000_000_000;
const SERVER_ID_TO = 4_294_967_295;

/** One run of mariadb-binlog as a replica: it writes raw files into its spool until the connection ends. */
export interface Dump {
  readonly spool: Spool;
  readonly tool: Tool;
  /** Set when the tool has ended. */
  ended(): ToolExit | null;
  /** Ends the tool and removes the spool. */
  stop(): Promise<void>;
}

/**
 * Starts reading at the head of `file`. The tool cannot begin elsewhere with --raw, and does not reconnect. It flushes
 * after each event (measured with 10.11: an event is in its file within a few milliseconds of the commit).
 */
export async function startDump(connection: MysqlConnection, file: string, options: { dir: string; signal: AbortSignal }): Promise<Dump> {
  const spool = await Spool.create(options.dir);
  const settings = await writeDefaultsFile(options.dir, connection, SETTINGS_NAME);
  const tool = startTool({
    file: await toolFile("mariadb-binlog"),
    args: [
      `--defaults-file=${settings}`,
      "--read-from-remote-server",
      "--raw",
      "--stop-never",
      `--stop-never-slave-server-id=${String(randomInt(SERVER_ID_FROM, SERVER_ID_TO))}`,
      `--result-file=${spool.prefix}`,
      file,
    ],
    cwd: options.dir,
    stdout: "ignore",
    signal: options.signal,
  });
  let exit: ToolExit | null = null;
  void tool.exited.then((how) => (exit = how));
  return {
    spool,
    tool,
    ended: () => exit,
    stop: async () => {
      tool.kill("SIGKILL");
      await tool.exited;
      await spool.remove();
    },
  };
}

/** Has no digits behind its dot, so that it is never taken for a log file. */
const SETTINGS_NAME = "client.cnf";

/** Directory of the n-th run below the attempt's own. */
export function dumpDir(scratchDir: string, run: number): string {
  return join(scratchDir, "binlog", String(run));
}
