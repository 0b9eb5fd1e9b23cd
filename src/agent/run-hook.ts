import type { HookCall, JobPorts } from "../jobs/ports.ts";
import { HoldfastError, toErrorRecord } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { startTool, type Tool, type ToolExit } from "../lib/process.ts";
import { formatDuration } from "../lib/units.ts";
import type { HookFailure, HookVariable } from "../model/hook.ts";
import type { Order } from "../model/job.ts";

/** What a hook's name stands for on this machine. */
export interface HookCommand {
  /** The program's absolute path and its arguments. */
  readonly command: readonly string[];
  readonly timeoutMs: number;
}

export interface HookWorld {
  readonly order: Order;
  /** Aborts on cancel, lost lease or shutdown: ends hooks before the backup, and none after it. */
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly hooks?: ReadonlyMap<string, HookCommand> | undefined;
  /** Told of hooks after the backup that failed. */
  readonly onHookFailed?: ((failure: HookFailure) => void) | undefined;
}

const KILL_AFTER_MS = 5_000;
/** What a hook left running may hold its stderr open for ever. */
const LET_GO_MS = KILL_AFTER_MS + 2_000;
/** How much of what a hook said goes into its error. */
const TOLD_LINES = 10;
const TOLD_CHARACTERS = 2_000;

/** Runs this machine's own hooks for one attempt: their commands from its file, the facts in their environment, and nothing else. */
export function hookRunner(world: HookWorld): JobPorts["runHook"] {
  return async (call) => {
    try {
      await runHook(world, call);
    } catch (error) {
      if (call.when === "after") world.onHookFailed?.({ hook: call.hook, error: toErrorRecord(error) });
      throw error;
    }
  };
}

async function runHook(world: HookWorld, call: HookCall): Promise<void> {
  const listed = world.hooks?.get(call.hook);
  if (listed === undefined) throw new HoldfastError("AGENT_REFUSED", `This machine's file lists no hook ${call.hook}.`, { details: { refused: call.hook } });
  const { command, timeoutMs } = listed;
  const limit = new AbortController();
  const timer = setTimeout(() => {
    limit.abort(failure(call, `did not end within ${formatDuration(timeoutMs)} and was ended`, { timedOut: true }));
  }, timeoutMs);
  const signal = call.when === "before" ? AbortSignal.any([limit.signal, world.signal]) : limit.signal;
  try {
    signal.throwIfAborted();
    world.log.info({ hook: call.hook, when: call.when, command }, "hook begins");
    const tool = start(command, { call, world, signal });
    const exit = await Promise.race([tool.exited, longAfter(signal)]);
    signal.throwIfAborted();
    requireGoodEnd(call, tool, exit);
    world.log.info({ hook: call.hook, when: call.when }, "hook ended");
  } finally {
    clearTimeout(timer);
  }
}

function start([file = "", ...args]: readonly string[], { call, world, signal }: { call: HookCall; world: HookWorld; signal: AbortSignal }): Tool {
  const onStderrLine = (line: string): void => world.log.debug({ hook: call.hook, when: call.when, line }, "a hook says");
  try {
    return startTool({ file, args, env: factsFor(world.order, call), cwd: "/", stdout: "ignore", withChildren: true, signal, killAfterMs: KILL_AFTER_MS, onStderrLine });
  } catch (error) {
    throw failure(call, `could not be started: ${error instanceof Error ? error.message : String(error)}`, {});
  }
}

type Facts = Partial<Record<HookVariable, string>>;

function factsFor({ jobId, attemptId, instance, work }: Order, call: HookCall): Record<string, string> {
  const outcome: Facts = call.when === "before" ? {} : call.error === null ? { HOLDFAST_STATUS: "ok" } : { HOLDFAST_STATUS: "failed", HOLDFAST_ERROR: call.error };
  const facts: Facts = {
    HOLDFAST_HOOK: call.hook,
    HOLDFAST_WHEN: call.when,
    HOLDFAST_INSTANCE: instance.name,
    HOLDFAST_JOB_ID: jobId,
    HOLDFAST_ATTEMPT_ID: attemptId,
    ...(work.kind === "backup" ? { HOLDFAST_BACKUP_KIND: work.backupKind } : {}),
    ...outcome,
  };
  return facts;
}

/** Resolves when even killing it has not helped. */
function longAfter(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    const wait = (): void => {
      setTimeout(() => resolve(null), LET_GO_MS).unref();
    };
    if (signal.aborted) wait();
    else signal.addEventListener("abort", wait, { once: true });
  });
}

function requireGoodEnd(call: HookCall, tool: Tool, exit: ToolExit | null): void {
  if (exit?.code === 0) return;
  const said = tool.stderrTail().trim().split("\n").slice(-TOLD_LINES).join("\n").slice(-TOLD_CHARACTERS);
  const { code = null, killedBy = null, startError } = exit ?? {};
  if (startError !== undefined) throw failure(call, `could not be started: ${startError.message}`, {});
  const how = killedBy === null ? `exit code ${String(code)}` : `signal ${killedBy}`;
  throw failure(call, `ended with ${how}: ${said || "it said nothing on stderr"}`, killedBy === null ? { exitCode: code } : { killedBy });
}

function failure({ hook, when }: HookCall, how: string, details: Record<string, unknown>): HoldfastError {
  return new HoldfastError("HOOK_FAILED", `Hook ${hook} ${when} the backup ${how}.`.replace(/\.\.$/, "."), { details: { hook, when, ...details } });
}
