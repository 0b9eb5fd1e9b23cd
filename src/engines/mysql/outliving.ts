import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Socket } from "node:net";

/** A process that can be made to outlive this one. */
export interface Outliving {
  readonly pid: number;
  readonly hasEnded: () => boolean;
  /** Lets it live on when this process ends, or kills it. The first call decides; until then it dies with this process. */
  readonly settle: (isKept: boolean) => void;
}

/**
 * Starts a process in a session of its own. `setpriv --pdeathsig` could never be taken back, so a guard holds its life
 * instead: a shell that waits for a word from us and kills it when we die without one. The process itself waits until
 * the guard is there: at no moment would a `kill -9` of this process leave it behind.
 */
export async function startOutliving(command: readonly string[]): Promise<Outliving> {
  const child = startShell('read -r go && exec "$@" </dev/null', command);
  await once(child, "spawn");
  const pid = child.pid ?? -1;
  const guard = startShell('read -r kept || kill -KILL "$1"', [String(pid)]);
  try {
    await once(guard, "spawn");
  } catch (error) {
    child.stdin?.end();
    throw error;
  }
  const settle = (isKept: boolean): void => void guard.stdin?.end(isKept ? "kept\n" : "");
  // Its number may soon be another's.
  child.once("exit", () => settle(true));
  child.stdin?.end("go\n");
  return { pid, hasEnded: () => child.exitCode !== null || child.signalCode !== null, settle };
}

function startShell(script: string, args: readonly string[]): ChildProcess {
  const env = { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8", TZ: "UTC" };
  const shell = spawn("sh", ["-c", script, "sh", ...args], { detached: true, stdio: ["pipe", "ignore", "ignore"], cwd: "/", env });
  // It may have ended before it is told anything.
  shell.stdin.on("error", () => undefined);
  shell.unref();
  if (shell.stdin instanceof Socket) shell.stdin.unref();
  return shell;
}
