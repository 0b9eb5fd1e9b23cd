import { asHoldfastError, type ErrorCode } from "../lib/errors.ts";
import type { BackupOrder } from "../model/job.ts";
import type { Phases } from "./phases.ts";
import type { JobPorts } from "./ports.ts";

type HookPorts = Pick<JobPorts, "runHook" | "signal" | "log">;

/**
 * Does a backup between the hooks that its order names. A hook before it that fails ends the attempt: then nothing is
 * backed up. The hooks after it run once each whatever has happened, also after a cancel; that one of them fails
 * changes nothing about the backup.
 */
export async function betweenHooks<T>(ports: HookPorts, phases: Phases, hooks: BackupOrder["hooks"], backup: () => Promise<T>): Promise<T> {
  const { before = [], after = [] } = hooks ?? {};
  let result: T;
  try {
    if (before.length > 0) await phases.run("before hooks", 0, () => runBefore(ports, before));
    result = await backup();
  } catch (error) {
    // Whoever asked to stop decides how that is called, not what broke because of it.
    const cause: unknown = ports.signal.aborted ? ports.signal.reason : error;
    await runAfter(ports, phases, after, asHoldfastError(cause).code);
    throw error;
  }
  await runAfter(ports, phases, after, null);
  return result;
}

async function runBefore(ports: HookPorts, hooks: readonly string[]): Promise<void> {
  for (const hook of hooks) await ports.runHook({ hook, when: "before" });
}

async function runAfter(ports: HookPorts, phases: Phases, hooks: readonly string[], error: ErrorCode | null): Promise<void> {
  if (hooks.length === 0) return;
  await phases.run("after hooks", 0, async () => {
    for (const hook of hooks) {
      await ports.runHook({ hook, when: "after", error }).catch((failure: unknown) => {
        ports.log.error({ hook, err: failure }, "a hook after the backup failed");
      });
    }
  });
}
