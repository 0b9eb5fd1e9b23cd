import type { Catalog } from "../catalog/open-catalog.ts";
import type { Clock } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { NewId } from "../lib/ids.ts";
import type { Log } from "../lib/log.ts";
import type { Signer } from "../lib/signing.ts";
import { LOCAL_POOL } from "../model/instance.ts";
import type { Queue } from "../queue/queue.ts";
import type { Storage } from "../storage/storage.ts";

/** Everything the control plane works with. */
export interface ControlPorts {
  readonly catalog: Catalog;
  /** Repositories by name. */
  readonly storages: ReadonlyMap<string, Storage>;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly log: Log;
  readonly queue: Queue;
  /** Segments of log that have replaced tails and that this process has not looked into yet. */
  readonly segmentsToLookInto: Set<string>;
}

export interface ControlSettings {
  /** How long an agent may be silent before its work is given away. */
  readonly leaseMs: number;
  readonly heartbeatEveryMs: number;
  /** How long a grant is valid. */
  readonly grantMs: number;
  /** How often a job is tried before it has failed; shipping is tried for ever. */
  readonly maxAttempts: number;
  /** Jobs running at once, by kind; a kind that is not named has no limit. */
  readonly runningLimits: Readonly<Partial<Record<string, number>>>;
  /** Pause between the end of a failed `ship` job and the next one. */
  readonly shipRetryMs: number;
  /** How often an instance is probed without anybody asking. */
  readonly probeEveryMs: number;
  /** False where nobody ships the log: then nothing is worth waiting for it. */
  readonly shipsLog: boolean;
  /** After how long without a call an agent of another machine counts as silent. */
  readonly agentSilentMs: number;
  /**
   * How long tails of log stay after a segment has replaced them: time to find out that the segment is of no use. As long
   * as the lock that a bucket's objects get from their first byte, unless told.
   */
  readonly keepReplacedMs: number;
  /** Pools that the agent inside this process serves; none where there is none. */
  readonly ownPools: readonly string[];
}

export const DEFAULT_SETTINGS: ControlSettings = {
  leaseMs: 60_000,
  heartbeatEveryMs: 5_000,
  grantMs: 15 * 60_000,
  maxAttempts: 3,
  runningLimits: { backup: 4, verify: 1, restore: 4, check: 1, probe: 8, reseal: 2 },
  shipRetryMs: 30_000,
  probeEveryMs: 24 * 3_600_000,
  shipsLog: true,
  agentSilentMs: 10 * 60_000,
  keepReplacedMs: 3 * 24 * 3_600_000,
  ownPools: [LOCAL_POOL],
};

/** NOT_FOUND when the configuration no longer names the repository. */
export function storageOf(ports: Pick<ControlPorts, "storages">, repository: string): Storage {
  const storage = ports.storages.get(repository);
  if (storage !== undefined) return storage;
  throw new HoldfastError("NOT_FOUND", `The configuration has no repository ${repository}.`, { hint: "Name it in the configuration again, then run `holdfast apply`." });
}
