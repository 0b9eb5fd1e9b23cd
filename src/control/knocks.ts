import { poolOfJob } from "../catalog/jobs.ts";
import type { ControlPorts } from "./ports.ts";

/** Tells the agents of a job's pool that it is due. */
export async function knockFor(ports: Pick<ControlPorts, "catalog" | "queue">, jobId: string): Promise<void> {
  await ports.queue.knock(await poolOfJob(ports.catalog.db, jobId), jobId);
}

/** Jobs that knocked at these pools: waits for the first one, as long as `waitMs`; empty when there was none. */
export async function waitForKnocks({ queue }: Pick<ControlPorts, "queue">, pools: readonly string[], { waitMs, signal }: { waitMs: number; signal: AbortSignal }): Promise<string[]> {
  const heard = new Set<string>();
  const enough = new AbortController();
  const until = AbortSignal.any([enough.signal, signal, AbortSignal.timeout(waitMs)]);
  const onKnock = (jobId: string): void => {
    heard.add(jobId);
    // Those that knock in the same turn come with it.
    setImmediate(() => {
      enough.abort();
    });
  };
  await Promise.all(pools.map((pool) => queue.listen(pool, onKnock, until)));
  return [...heard];
}
