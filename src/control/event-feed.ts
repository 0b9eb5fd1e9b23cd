import { eventBounds, eventsAfter, forgetEvents } from "../catalog/events.ts";
import { findFinding } from "../catalog/findings.ts";
import { findJob } from "../catalog/jobs.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { type EventFilter, type EventKind, eventKindSchema } from "../model/event.ts";
import type { EventWatch } from "./event-watch.ts";
import type { Leases } from "./leases.ts";
import type { ControlPorts } from "./ports.ts";
import { withLiveProgress } from "./status.ts";

const KEPT_EVENTS = 10_000;
const AT_ONCE = 200;
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
}

export interface FeedSource {
  readonly ports: Pick<ControlPorts, "catalog" | "clock">;
  readonly leases: Pick<Leases, "progress">;
  /** Shared by all feeds of the process. */
  readonly watch: EventWatch;
}

/** What is to be told when `newest` is the number of the newest event; keeps in mind what was told before. */
type Tell = (newest: number) => AsyncIterable<FeedEvent>;

/** What changes from a place in the sequence on, until the signal. Ends with an error only when the caller is not admitted any longer. */
export async function* eventFeed(source: FeedSource, { filter, after, admit, signal }: FeedOptions): AsyncGenerator<FeedEvent> {
  const { ports, watch } = source;
  const { oldest, newest } = await eventBounds(ports.catalog.db);
  const isKnown = after === null || (after <= newest && after >= oldest - 1);
  if (!isKnown) yield { event: "reset", id: newest, data: {} };
  const tell = filter.jobId === undefined ? changes(source, { after: isKnown ? (after ?? newest) : newest, kinds: kindsOf(filter), signal }) : jobAsItGoes(source, filter.jobId);
  let [heartbeatAtMs, admittedAtMs] = [ports.clock.monotonicMs(), ports.clock.monotonicMs()];
  for (let look: number | null = newest; look !== null; look = await watch.next(signal)) {
    if (ports.clock.monotonicMs() - admittedAtMs >= ADMIT_EVERY_MS) {
      await admit();
      admittedAtMs = ports.clock.monotonicMs();
    }
    yield* tell(look);
    if (ports.clock.monotonicMs() - heartbeatAtMs >= HEARTBEAT_EVERY_MS) {
      heartbeatAtMs = ports.clock.monotonicMs();
      yield { event: "heartbeat" };
    }
  }
}

function kindsOf({ kinds }: EventFilter): readonly EventKind[] {
  return kinds === undefined ? eventKindSchema.options : eventKindSchema.options.filter((kind) => kinds.split(",").includes(kind));
}

/** Everything of these kinds, in order, each as it is now. */
function changes(source: FeedSource, { after, kinds, signal }: { after: number; kinds: readonly EventKind[]; signal: AbortSignal }): Tell {
  let at = after;
  return async function* (newest) {
    while (at < newest && !signal.aborted) {
      const found = await eventsAfter(source.ports.catalog.db, at, { kinds, limit: AT_ONCE });
      for (const { id, kind, subjectId } of found) {
        at = id;
        const data = await subjectOf(source, kind, subjectId);
        if (data !== null) yield { event: kind, id, data };
      }
      // The rest, up to the newest, is of other kinds.
      if (found.length < AT_ONCE) at = Math.max(at, newest);
    }
  };
}

/** One job whenever it is another than it was: its progress, and that it was told to stop, are no events. */
function jobAsItGoes(source: FeedSource, jobId: string): Tell {
  let shown = "";
  return async function* (newest) {
    const job = await subjectOf(source, "job", jobId);
    const now = JSON.stringify(job);
    if (job !== null && now !== shown) yield { event: "job", id: newest, data: job };
    shown = now;
  };
}

/** As it is now; null when it is gone. */
async function subjectOf({ ports, leases }: FeedSource, kind: EventKind, id: string): Promise<unknown> {
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
