import type { Client } from "../client/client.ts";
import type { Clock } from "../lib/clock.ts";
import { asHoldfastError, HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { api } from "../model/api/index.ts";
import type { Order, Progress } from "../model/job.ts";

/** How often the agent looks at its own clock; the lease must end here even when a heartbeat hangs. */
const WATCH_EVERY_MS = 250;
/** Left for the tool to die before the server may give the work away. */
const FENCE_MARGIN_LIMIT_MS = 10_000;
const HEARTBEAT_TIMEOUT_MS = 10_000;

/** Answers after which nothing of this attempt counts: it is another's, it is gone, or this agent is nobody any more. */
const FINAL = ["LEASE_LOST", "NOT_FOUND", "UNAUTHENTICATED", "FORBIDDEN"] as const;

export interface LeaseOptions {
  readonly order: Order;
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Log;
  /** Monotonic time before the claim was sent: the server's lease began at that moment or later. */
  readonly claimedAtMs: number;
  readonly latestProgress: () => Progress | null;
}

/** The agent's side of a lease: renews it, and ends the work by itself when it cannot. */
export interface Lease {
  /** Aborts with LEASE_LOST (lost, or not renewed in time) or CANCELLED (the server asked to stop). */
  readonly signal: AbortSignal;
  /** From now on only the server's own word counts: the work is done and only its outcome is to be delivered. */
  workEnded(): void;
  stop(): void;
}

/** Milliseconds after the last renewal at which the agent stops by itself: before the lease runs out, with time for the tool to end. */
export function fenceAfterMs(leaseMs: number): number {
  return leaseMs - Math.min(leaseMs / 4, FENCE_MARGIN_LIMIT_MS);
}

/** Begins to renew. Durations are taken from the monotonic clock only: the wall clock may jump. */
export function keepLease(options: LeaseOptions): Lease {
  const { order, clock, log } = options;
  const work = new AbortController();
  const stopped = new AbortController();
  const state = { renewedAtMs: options.claimedAtMs, leaseMs: order.leaseMs, working: true, beating: false };
  const end = (error: HoldfastError): void => {
    if (work.signal.aborted || !state.working) return;
    log.warn({ attemptId: order.attemptId, code: error.code }, error.message);
    work.abort(error);
  };

  const beat = async (): Promise<void> => {
    if (state.beating) return;
    state.beating = true;
    const sentAtMs = clock.monotonicMs();
    try {
      const answer = await sendHeartbeat(options, stopped.signal);
      // The server renewed at some moment after sending: counting from there is the careful side.
      state.renewedAtMs = sentAtMs;
      state.leaseMs = answer.leaseMs;
      if (answer.cancel) end(new HoldfastError("CANCELLED", `Job ${order.jobId} was asked to stop.`));
    } catch (error) {
      if (stopped.signal.aborted) return;
      if (FINAL.some((code) => isHoldfastError(error, code))) {
        end(new HoldfastError("LEASE_LOST", `Attempt ${order.attemptId} has lost its lease: ${asHoldfastError(error).message}`, { cause: error }));
      } else log.warn({ attemptId: order.attemptId, err: error }, "heartbeat failed");
    } finally {
      state.beating = false;
    }
  };
  const watch = (): void => {
    const silentMs = clock.monotonicMs() - state.renewedAtMs;
    if (silentMs < fenceAfterMs(state.leaseMs)) return;
    end(new HoldfastError("LEASE_LOST", `Attempt ${order.attemptId} stops by itself: the server has not renewed its lease for ${(silentMs / 1_000).toFixed(1)} s.`));
  };

  const timers = [setInterval(() => void beat(), order.heartbeatEveryMs), setInterval(watch, Math.min(WATCH_EVERY_MS, order.leaseMs / 20))];
  return {
    signal: work.signal,
    workEnded: () => {
      state.working = false;
    },
    stop: () => {
      timers.forEach((timer) => {
        clearInterval(timer);
      });
      stopped.abort();
    },
  };
}

function sendHeartbeat({ order, client, latestProgress }: LeaseOptions, stopped: AbortSignal): Promise<{ leaseMs: number; cancel: boolean }> {
  const { attemptId, fencingToken } = order;
  const signal = AbortSignal.any([stopped, AbortSignal.timeout(HEARTBEAT_TIMEOUT_MS)]);
  return client.call(api.agent.heartbeat, { attemptId, fencingToken, progress: latestProgress() }, signal);
}
