import type { Sandbox } from "../engines/engine.ts";
import { engineContext } from "./engine-context.ts";
import type { Phases } from "./phases.ts";
import type { JobPorts } from "./ports.ts";

/**
 * Starts a throwaway server on prepared data, works with it and always stops it. When the work failed, its error is the
 * one that counts: a server that then does not stop cleanly is only logged.
 */
export async function withSandbox<T>(ports: JobPorts, phases: Phases, dataDir: string, work: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  const sandbox = await phases.run("start", 0, () => ports.engine.startSandbox(engineContext(ports), dataDir, ports.signal));
  let result: T;
  try {
    result = await work(sandbox);
  } catch (error) {
    await sandbox.stop().catch((stopError: unknown) => {
      ports.log.warn({ err: stopError }, "sandbox did not stop cleanly after a failure");
    });
    throw error;
  }
  await phases.run("stop", 0, () => sandbox.stop());
  return result;
}
