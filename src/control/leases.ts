import { type AttemptRow, extendLease, findAttempt, writeProgress } from "../catalog/attempts.ts";
import { getJobRow } from "../catalog/jobs.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { AttemptState, Progress } from "../model/job.ts";
import type { ControlPorts, ControlSettings } from "./ports.ts";

/** What every call of an agent about an attempt carries. */
export interface LeaseClaim {
  readonly attemptId: string;
  readonly fencingToken: number;
  /** Who calls; left out for the agent inside this process. */
  readonly agent?: string | undefined;
}

/**
 * The attempt, when this token holds it and it is in one of `states`. LEASE_LOST otherwise: the work is no longer the
 * caller's, and nothing it has done counts. FORBIDDEN when another agent holds it.
 */
export async function requireLease(db: CatalogDb, claim: LeaseClaim, states: readonly AttemptState[] = ["running"]): Promise<AttemptRow> {
  const row = await findAttempt(db, claim.attemptId);
  if (claim.agent !== undefined && row.agent !== claim.agent) throw new HoldfastError("FORBIDDEN", `Attempt ${claim.attemptId} is not the work of agent ${claim.agent}.`);
  const why = row.fencingToken !== claim.fencingToken ? `its fencing token is not ${String(claim.fencingToken)}` : `it is ${row.state}`;
  if (row.fencingToken === claim.fencingToken && states.includes(row.state as AttemptState)) return row;
  throw new HoldfastError("LEASE_LOST", `Attempt ${claim.attemptId} may not go on: ${why}.`);
}

export interface Leases {
  /** Begins the lease of a new attempt. */
  begin(attemptId: string): void;
  /** Renews it; LEASE_LOST when the token is stale, the attempt has ended or is being given away. */
  heartbeat(claim: LeaseClaim, progress: Progress | null): Promise<{ leaseMs: number; cancel: boolean }>;
  /** True when the lease ran out; from then on it cannot be renewed. */
  expire(attemptId: string): boolean;
  /** Forgets an attempt that has ended. */
  end(attemptId: string): void;
  /** Newest progress, from memory. */
  progress(attemptId: string): Progress | null;
  /** Writes what heartbeats brought since the last time, in one transaction. */
  flush(): Promise<void>;
}

/**
 * Leases run on the monotonic clock, in memory: a wall clock that jumps takes no work away, and an attempt that this
 * process has not seen yet (the server was restarted) has one full lease from the moment it is first looked at.
 */
export function createLeases(ports: Pick<ControlPorts, "catalog" | "clock">, settings: Pick<ControlSettings, "leaseMs">): Leases {
  const { clock } = ports;
  const endsAtMs = new Map<string, number>();
  const latest = new Map<string, Progress>();
  const dirty = new Map<string, LeaseClaim>();
  const taken = new Set<string>();
  const renew = (attemptId: string): number => {
    const endMs = clock.monotonicMs() + settings.leaseMs;
    endsAtMs.set(attemptId, endMs);
    return endMs;
  };

  return {
    begin: (attemptId) => void renew(attemptId),
    heartbeat: async (claim, progress) => {
      const { db } = ports.catalog;
      const row = await requireLease(db, claim, ["running", "committing"]);
      const job = await getJobRow(db, row.jobId);
      // After the waits, without another one: the reaper may have decided in between.
      if (taken.has(claim.attemptId)) throw new HoldfastError("LEASE_LOST", `Attempt ${claim.attemptId} was silent for too long.`);
      renew(claim.attemptId);
      dirty.set(claim.attemptId, claim);
      if (progress !== null) latest.set(claim.attemptId, progress);
      return { leaseMs: settings.leaseMs, cancel: row.state === "running" && job.cancelRequested !== 0 };
    },
    expire: (attemptId) => {
      const endMs = endsAtMs.get(attemptId) ?? renew(attemptId);
      if (clock.monotonicMs() < endMs) return false;
      taken.add(attemptId);
      return true;
    },
    end: (attemptId) => {
      // `taken` is kept: a heartbeat that is under way must still find that it came too late.
      for (const kept of [endsAtMs, latest, dirty]) kept.delete(attemptId);
    },
    progress: (attemptId) => latest.get(attemptId) ?? null,
    flush: async () => {
      const batch = [...dirty.values()];
      dirty.clear();
      if (batch.length === 0) return;
      const expiresAtMs = clock.nowMs() + settings.leaseMs;
      await inTransaction(ports.catalog.db, async (db) => {
        for (const claim of batch) {
          await extendLease(db, { ...claim, expiresAtMs });
          const progress = latest.get(claim.attemptId);
          if (progress !== undefined) await writeProgress(db, claim.attemptId, progress);
        }
      });
    },
  };
}
