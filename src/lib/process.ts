import { type ChildProcess, spawn } from "node:child_process";
import { basename } from "node:path";
import type { Readable, Writable } from "node:stream";
import { HoldfastError } from "./errors.ts";

/** The OS account a tool runs as; only root can choose one. */
export interface RunAs {
  readonly user: string;
  readonly uid: number;
  readonly gid: number;
}

export interface ToolSpec {
  readonly file: string;
  readonly args: readonly string[];
  /** The whole environment of the tool besides PATH, LANG and TZ; nothing else is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly runAs?: RunAs | undefined;
  /** `pipe` gives the tool a stdin to write to; otherwise it reads end of file. */
  readonly stdin?: "pipe" | "ignore";
  /** `ignore` drops stdout; otherwise it must be read, or the tool stalls. */
  readonly stdout?: "pipe" | "ignore";
  /** When it aborts, the tool gets SIGTERM, and SIGKILL after `killAfterMs`. */
  readonly signal?: AbortSignal | undefined;
  readonly killAfterMs?: number;
  /** Signals reach what the tool has started too, as far as that stayed in its process group. */
  readonly withChildren?: boolean;
  /** Called with every whole line of stderr. */
  readonly onStderrLine?: (line: string) => void;
}

export interface ToolExit {
  readonly code: number | null;
  readonly killedBy: NodeJS.Signals | null;
  /** Set when the tool could not be started at all. */
  readonly startError?: Error;
}

export interface Tool {
  readonly name: string;
  readonly pid: number | undefined;
  readonly stdout: Readable;
  readonly stdin: Writable;
  /** Settles when the process has ended and its pipes are drained; never rejects. */
  readonly exited: Promise<ToolExit>;
  /** The last lines of stderr, newest last. */
  stderrTail(): string;
  kill(signal: NodeJS.Signals): void;
}

const STDERR_LINES_KEPT = 40;
const KILL_AFTER_MS = 5_000;

/**
 * Starts a tool whose life is bound to ours: `setpriv --pdeathsig` makes the kernel kill it when this process dies,
 * so a `kill -9` leaves no orphan holding locks. Must be called on the main thread, whose death is the process's.
 */
export function startTool(spec: ToolSpec): Tool {
  const { file, args } = boundCommand(spec);
  const child = spawn(file, args, {
    cwd: spec.cwd,
    env: toolEnvironment(spec.env),
    detached: spec.withChildren === true,
    stdio: [spec.stdin ?? "ignore", spec.stdout ?? "pipe", "pipe"],
  });
  const tail = followStderr(child, spec.onStderrLine);
  const exited = exitOf(child);
  killOnAbort(child, spec, exited);
  return {
    name: basename(spec.file),
    pid: child.pid,
    stdout: child.stdout as Readable,
    stdin: child.stdin as Writable,
    exited,
    stderrTail: () => tail.join("\n"),
    kill: (signal) => {
      send(signal, child, spec);
    },
  };
}

function boundCommand(spec: ToolSpec): { file: string; args: string[] } {
  const identity = spec.runAs === undefined ? [] : [`--reuid=${String(spec.runAs.uid)}`, `--regid=${String(spec.runAs.gid)}`, "--clear-groups"];
  return { file: "setpriv", args: [...identity, "--pdeathsig", "KILL", "--", spec.file, ...spec.args] };
}

function toolEnvironment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8", TZ: "UTC", ...extra };
}

function followStderr(child: ChildProcess, onLine: ((line: string) => void) | undefined): string[] {
  const tail: string[] = [];
  let rest = "";
  const take = (line: string): void => {
    tail.push(line);
    if (tail.length > STDERR_LINES_KEPT) tail.shift();
    onLine?.(line);
  };
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  });
  child.stderr?.once("end", () => {
    if (rest !== "") take(rest);
  });
  return tail;
}

function exitOf(child: ChildProcess): Promise<ToolExit> {
  return new Promise((resolve) => {
    child.once("error", (startError) => {
      resolve({ code: null, killedBy: null, startError });
    });
    child.once("close", (code, killedBy) => {
      resolve({ code, killedBy });
    });
  });
}

function send(signal: NodeJS.Signals, child: ChildProcess, { withChildren }: ToolSpec): void {
  if (withChildren !== true || child.pid === undefined) {
    child.kill(signal);
    return;
  }
  try {
    process.kill(-child.pid, signal);
  } catch {
    // None of them is left, or none of them is ours to end.
  }
}

function killOnAbort(child: ChildProcess, spec: ToolSpec, exited: Promise<ToolExit>): void {
  const { signal } = spec;
  if (signal === undefined) return;
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    send("SIGTERM", child, spec);
    timer = setTimeout(() => send("SIGKILL", child, spec), spec.killAfterMs ?? KILL_AFTER_MS);
  };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  void exited.then(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  });
}

/** Throws TOOL_MISSING, TOOL_FAILED or the signal's reason unless the tool ended with code 0. */
export function requireSuccess(tool: Pick<Tool, "name" | "stderrTail">, exit: ToolExit, signal?: AbortSignal): void {
  signal?.throwIfAborted();
  if (exit.code === 0) return;
  if (exit.startError !== undefined || exit.code === 127) {
    throw new HoldfastError("TOOL_MISSING", `${tool.name} could not be started: ${exit.startError?.message ?? (tool.stderrTail() || "not found")}`, {
      cause: exit.startError,
    });
  }
  const how = exit.killedBy === null ? `exit code ${String(exit.code)}` : `signal ${exit.killedBy}`;
  const details = exit.killedBy === null ? {} : { killedBy: exit.killedBy };
  throw new HoldfastError("TOOL_FAILED", `${tool.name} ended with ${how}: ${tool.stderrTail().trim() || "it printed nothing"}`, { details });
}

/** Runs a tool to its end and gives its stdout as text; throws as `requireSuccess` does. For small outputs only. */
export async function runTool(spec: ToolSpec): Promise<{ stdout: string; stderrTail: string }> {
  const tool = startTool(spec);
  const chunks: string[] = [];
  if (spec.stdout !== "ignore") {
    tool.stdout.setEncoding("utf8");
    tool.stdout.on("data", (chunk: string) => chunks.push(chunk));
  }
  const exit = await tool.exited;
  requireSuccess(tool, exit, spec.signal);
  return { stdout: chunks.join(""), stderrTail: tool.stderrTail() };
}
