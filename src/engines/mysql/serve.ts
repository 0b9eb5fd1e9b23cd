import { chown, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import type { EngineContext, ServedServer } from "../engine.ts";
import { optionFileText, writePrivateFile } from "./option-file.ts";
import { startOutliving } from "./outliving.ts";
import { giveTree, requireReachable } from "./ownership.ts";
import { readBackupConfig, serveConfig } from "./sandbox-config.ts";
import { randomServerId } from "./sandbox-place.ts";
import { keptSettings } from "./sandbox-settings.ts";
import { type Greeting, SOCKET_PATH_BYTES, waitForGreeting } from "./server-greeting.ts";
import { logTail } from "./server-process.ts";
import { toolFile } from "./tools.ts";

const START_LIMIT_MS = 120_000;

/**
 * Starts a server on a restored directory, which lives on when this process ends once it is settled that it is kept. It
 * is reachable only by the socket in the directory, with the accounts that were restored; it writes durably, and runs
 * neither events nor replication. Throws SANDBOX_FAILED with the end of its log when it does not come up.
 */
export async function serve(context: EngineContext, dataDir: string, signal: AbortSignal): Promise<ServedServer> {
  signal.throwIfAborted();
  const socket = join(dataDir, "holdfast.sock");
  if (Buffer.byteLength(socket) > SOCKET_PATH_BYTES) throw new HoldfastError("SANDBOX_FAILED", `The path ${socket} is too long for a Unix socket (${String(SOCKET_PATH_BYTES)} bytes).`, { hint: "Restore to a directory with a shorter path, or start the server yourself." });
  const settings = { ...(await keptSettings(context.scratchDir, dataDir)), ...(await readBackupConfig(dataDir)) };
  const runAs = context.sandboxUser;
  await requireReachable(dataDir, runAs);
  await giveTree(dataDir, runAs);
  const place = join(dataDir, ".holdfast-serve");
  const errorLog = join(place, "error.log");
  await rm(place, { recursive: true, force: true });
  for (const dir of [place, join(place, "tmp"), join(place, "files")]) {
    await mkdir(dir, { mode: 0o700 });
    if (runAs !== undefined) await chown(dir, runAs.uid, runAs.gid);
  }
  const options = { ...serveConfig({ tmpDir: join(place, "tmp"), filesDir: join(place, "files") }, settings, randomServerId()), datadir: dataDir, socket, pid_file: join(place, "pid"), log_error: errorLog, skip_networking: true } as const;
  const config = join(place, "my.cnf");
  await writePrivateFile(config, optionFileText({ mysqld: options }), runAs);
  const identity = runAs === undefined ? [] : [`--reuid=${String(runAs.uid)}`, `--regid=${String(runAs.gid)}`, "--clear-groups"];
  const { pid, hasEnded, settle } = await startOutliving(["setpriv", ...identity, "--", await toolFile("mariadbd"), `--defaults-file=${config}`]);
  let answer: Greeting = "late";
  try {
    answer = await waitForGreeting({ socket, limitMs: START_LIMIT_MS, ended: hasEnded, signal });
  } finally {
    if (answer !== "ready") settle(false);
  }
  if (answer === "ready") return { socket, pid, user: "root", settle };
  signal.throwIfAborted();
  throw new HoldfastError("SANDBOX_FAILED", `The server on ${dataDir} ${answer === "ended" ? "ended before it was ready" : "did not answer in time"}: ${await logTail(errorLog)}`);
}
