import { eventBounds, eventsAfter, forgetEvents } from "../catalog/events.ts";
import { findFinding } from "../catalog/findings.ts";
import { findJob } from "../catalog/jobs.ts";
import { delay } from "../lib/clock.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { type EventFilter, type EventKind, eventKindSchema } from "../model/event.ts";
import type { Leases } from "./leases.ts";
import type { ControlPorts } from "./ports.ts";
import { withLiveProgress } from "./status.ts";

const KEPT_EVENTS = 10_000;
const AT_ONCE = 200;
const LOOK_EVERY_MS = 500;
/** A token that was revoked listens no longer than this. */
const ADMIT_EVERY_MS = 2_000;
const HEARTBEAT_EVERY_MS = 15_000;

/** One thing to tell: `data` is the job or finding as it is now. `reset`: what was missed is not known; read the lists anew. */
export type FeedEvent =
  | { readonly event: EventKind; readonly id: number; readonly data: unknown }
  | { readonly event: "reset"; readonly id: number; readonly data: Record<string, never> }
  | { readonly event: "heartbeat" };

export interface FeedOptions {
  readonly filter: EventFilter;
  /** The last event that the caller has; null: from now on. */
  readonly after: number | null;
  /** Throws when the caller may not listen any longer. */
  readonly admit: () => Promise<void>;
  readonly signal: AbortSignal;
  readonly lookEveryMs?: number;
}

interface FeedPorts {
  readonly ports: Pick<ControlPorts, "catalog" | "clock">;
  readonly leases: Pick<Leases, "progress">;
}

/** What changes from a place in the sequence on, until the signal. Ends with an error only when the caller is not admitted any longer. */
export async function* eventFeed({ ports, leases }: FeedPorts, options: FeedOptions): AsyncGenerator<FeedEvent> {
  const { db } = ports.catalog;
  const { filter, signal } = options;
  const kinds = filter.jobId !== undefined ? (["job"] as const) : eventKindSchema.options.filter((kind) => filter.kinds === undefined || filter.kinds.split(",").includes(kind));
  const { oldest, newest } = await eventBounds(db);
  let at = options.after ?? newest;
  if (at > newest || at < oldest - 1) {
    at = newest;
    yield { event: "reset", id: at, data: {} };
  }
  let shown = "";
  let [heartbeatAtMs, admittedAtMs] = [ports.clock.monotonicMs(), ports.clock.monotonicMs()];
  while (!signal.aborted) {
    const found = await eventsAfter(db, at, { kinds, limit: AT_ONCE });
    for (const { id, kind, subjectId } of found) {
      at = id;
      if (filter.jobId !== undefined) continue;
      const data = await subjectOf({ ports, leases }, kind, subjectId);
      if (data !== null) yield { event: kind, id, data };
    }
    if (filter.jobId !== undefined) {
      const job = await subjectOf({ ports, leases }, "job", filter.jobId);
      const now = JSON.stringify(job);
      if (job !== null && now !== shown) yield { event: "job", id: at, data: job };
      shown = now;
    }
    if (found.length === AT_ONCE) continue;
    if (ports.clock.monotonicMs() - heartbeatAtMs >= HEARTBEAT_EVERY_MS) {
      heartbeatAtMs = ports.clock.monotonicMs();
      yield { event: "heartbeat" };
    }
    await delay(options.lookEveryMs ?? LOOK_EVERY_MS, signal).catch(() => undefined);
    if (ports.clock.monotonicMs() - admittedAtMs >= ADMIT_EVERY_MS && !signal.aborted) {
      await options.admit();
      admittedAtMs = ports.clock.monotonicMs();
    }
  }
}

/** As it is now; null when it is gone. */
async function subjectOf({ ports, leases }: FeedPorts, kind: EventKind, id: string): Promise<unknown> {
  const { db } = ports.catalog;
  if (kind === "finding") return findFinding(db, id);
  try {
    return withLiveProgress(leases, await findJob(db, id));
  } catch (error) {
    if (isHoldfastError(error, "NOT_FOUND")) return null;
    throw error;
  }
}

/** Who comes back after more than these is told to read anew. */
export async function forgetOldEvents({ catalog }: Pick<ControlPorts, "catalog">): Promise<void> {
  await forgetEvents(catalog.db, { keep: KEPT_EVENTS });
}
