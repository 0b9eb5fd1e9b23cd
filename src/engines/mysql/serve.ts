import { spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import type { EngineContext } from "../engine.ts";
import { optionFileText, writePrivateFile } from "./option-file.ts";
import { giveTree, requireReachable } from "./ownership.ts";
import { readBackupConfig, serveConfig } from "./sandbox-config.ts";
import { randomServerId } from "./sandbox-place.ts";
import { keptSettings } from "./sandbox-settings.ts";
import { type Greeting, SOCKET_PATH_BYTES, waitForGreeting } from "./server-greeting.ts";
import { logTail } from "./server-process.ts";
import { toolFile } from "./tools.ts";

const START_LIMIT_MS = 120_000;

/**
 * Starts a server on a restored directory and leaves it running when this process ends. It is reachable only by the
 * socket in the directory, with the accounts that were restored; it writes durably, and runs neither events nor
 * replication. Throws SANDBOX_FAILED with the end of its log when it does not come up.
 */
export async function serve(context: EngineContext, dataDir: string, signal: AbortSignal): Promise<{ socket: string; pid: number; user: string }> {
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
  const { pid, ended } = await detach(await toolFile("mariadbd"), config, runAs === undefined ? null : { uid: runAs.uid, gid: runAs.gid });
  const answer: Greeting = await waitForGreeting({ socket, limitMs: START_LIMIT_MS, ended, signal });
  if (answer === "ready") return { socket, pid, user: "root" };
  if (!ended()) process.kill(pid, "SIGKILL");
  signal.throwIfAborted();
  throw new HoldfastError("SANDBOX_FAILED", `The server on ${dataDir} ${answer === "ended" ? "ended before it was ready" : "did not answer in time"}: ${await logTail(errorLog)}`);
}

/** A process of its own session that outlives us: the one place where a server is not bound to this process's life. */
async function detach(program: string, config: string, account: { uid: number; gid: number } | null): Promise<{ pid: number; ended: () => boolean }> {
  const identity = account === null ? [] : [`--reuid=${String(account.uid)}`, `--regid=${String(account.gid)}`, "--clear-groups"];
  const child = spawn("setpriv", [...identity, "--", program, `--defaults-file=${config}`], { detached: true, stdio: "ignore", cwd: "/", env: { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin", LANG: "C.UTF-8", TZ: "UTC" } });
  await once(child, "spawn");
  child.unref();
  return { pid: child.pid ?? -1, ended: () => child.exitCode !== null || child.signalCode !== null };
}
