import type { Client } from "../client/client.ts";
import type { Engine } from "../engines/engine.ts";
import type { JobPorts } from "../jobs/ports.ts";
import type { Clock } from "../lib/clock.ts";
import { HoldfastError, isHoldfastError, toErrorRecord } from "../lib/errors.ts";
import type { NewId } from "../lib/ids.ts";
import type { Log } from "../lib/log.ts";
import type { RunAs } from "../lib/process.ts";
import { retry, type RetryOptions } from "../lib/retry.ts";
import { api } from "../model/api/index.ts";
import type { HookFailure } from "../model/hook.ts";
import type { Order, Outcome, Progress, Report } from "../model/job.ts";
import type { ObjectGate } from "../storage/gate.ts";
import { attemptPorts } from "./attempt-ports.ts";
import { keepLease, type Lease } from "./lease.ts";
import type { HookCommand } from "./run-hook.ts";
import { type AgentBuffers, makeSpace, type Space } from "./space.ts";

/** What every attempt of an agent shares. */
export interface AttemptSettings {
  readonly name: string;
  readonly client: Client;
  readonly gate: ObjectGate;
  readonly engines: ReadonlyMap<string, Engine>;
  /** What this machine permits: gives the order as it is carried out, or throws. Everything unless told. */
  readonly admit?: ((order: Order) => Promise<Order>) | undefined;
  /** The hooks of this machine; none unless told. */
  readonly hooks?: ReadonlyMap<string, HookCommand> | undefined;
  readonly scratchRoot: string;
  /** What each backup may hold between its tool and the repository; 128 MiB of memory and 8 GiB of disk unless told. */
  readonly buffers?: AgentBuffers;
  readonly sandboxUser: RunAs | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly newId: NewId;
  readonly runJob: (ports: JobPorts) => Promise<Report>;
  /** Pauses between tries to store or read; replaced in tests. */
  readonly storageRetries?: Omit<RetryOptions, "signal">;
  /** How an outcome is delivered to a server that does not answer. */
  readonly finishRetries?: Omit<RetryOptions, "signal">;
}

/** The server may be away for long; what was done is worth waiting for it. Refusing a late outcome is the server's part. */
const FINISH_RETRIES = { tries: 400, firstPauseMs: 500, maxPauseMs: 10_000 } as const;

/**
 * Does one attempt from its order to its outcome: scratch directory, lease, job, report. Never throws: what went wrong
 * is the attempt's outcome or, when nobody can take that, in the log. `stop` asks the work to end (shutdown),
 * `giveUp` also ends the attempts to deliver the outcome.
 */
export async function runAttempt(settings: AttemptSettings, order: Order, at: { claimedAtMs: number; stop: AbortSignal; giveUp: AbortSignal }): Promise<void> {
  const log = settings.log.child({ jobId: order.jobId, attemptId: order.attemptId, instance: order.instance.name, kind: order.work.kind });
  let progress: Progress | null = null;
  const lease = keepLease({ order, client: settings.client, clock: settings.clock, log, claimedAtMs: at.claimedAtMs, latestProgress: () => progress });
  const signal = AbortSignal.any([lease.signal, at.stop]);
  let space: Space | undefined;
  let isTaken = false;
  const hookFailures: HookFailure[] = [];
  const onHookFailed = (failure: HookFailure): void => void hookFailures.push(failure);
  const settlements: ((isTaken: boolean) => void)[] = [];
  const onEnd = (settle: (isTaken: boolean) => void): void => void settlements.push(settle);
  try {
    log.info({}, "attempt begins");
    const outcome = await work(signal, order, log, async () => {
      const admitted = settings.admit === undefined ? order : await settings.admit(order);
      const engine = engineOf(settings, admitted);
      space = await makeSpace(settings, admitted);
      const onProgress = (next: Progress): void => {
        progress = next;
      };
      // A cancel may have come while the directories were made; work that has not begun need not be stopped.
      signal.throwIfAborted();
      return settings.runJob(attemptPorts({ ...settings, ...space, order: admitted, engine, log, signal, onProgress, onEnd, onHookFailed }));
    });
    isTaken = await deliver({ settings, order, lease, log, giveUp: at.giveUp }, hookFailures.length === 0 ? outcome : { ...outcome, hookFailures });
  } catch (error) {
    log.error({ err: error }, "attempt ended without an outcome");
  } finally {
    lease.stop();
    for (const settle of settlements) settle(isTaken);
    await space?.remove().catch((error: unknown) => {
      log.error({ err: error, path: space?.scratchDir }, "the directories of an attempt could not be removed");
    });
  }
}

function engineOf(settings: AttemptSettings, order: Order): Engine {
  const engine = settings.engines.get(order.instance.engine);
  if (engine !== undefined) return engine;
  const known = [...settings.engines.keys()].join(", ");
  throw new HoldfastError("CONFIG_INVALID", `Agent ${settings.name} has no engine ${order.instance.engine} for instance ${order.instance.name}; it has ${known}.`);
}

async function work(signal: AbortSignal, order: Order, log: Log, job: () => Promise<Report>): Promise<Outcome> {
  try {
    const report = await job();
    // Shipping ends by being asked to; whoever asked decides how that is called.
    if (order.work.kind === "ship" && signal.aborted) return endedBy(signal.reason);
    return { status: "done", report };
  } catch (error) {
    const cause: unknown = signal.aborted ? signal.reason : error;
    log.warn({ err: error }, "attempt failed");
    return endedBy(cause);
  }
}

/** Work that was asked to stop has not failed: the server ends its job when a person asked, and else makes it due again. */
function endedBy(cause: unknown): Outcome {
  return isHoldfastError(cause, "CANCELLED") || isHoldfastError(cause, "AGENT_STOPPED") ? { status: "cancelled" } : { status: "failed", error: toErrorRecord(cause) };
}

interface Delivery {
  readonly settings: AttemptSettings;
  readonly order: Order;
  readonly lease: Lease;
  readonly log: Log;
  readonly giveUp: AbortSignal;
}

/**
 * Tells the server how it ended, again and again until it answers. A lost lease has nothing to tell: the work is
 * another's. True when the work was done and the server has taken it.
 */
async function deliver({ settings, order, lease, log, giveUp }: Delivery, outcome: Outcome): Promise<boolean> {
  if (isHoldfastError(lease.signal.reason, "LEASE_LOST")) return false;
  lease.workEnded();
  const { attemptId, fencingToken } = order;
  const options: RetryOptions = {
    ...(settings.finishRetries ?? FINISH_RETRIES),
    signal: giveUp,
    onRetry: (error, waitMs) => {
      log.warn({ err: error, waitMs: Math.round(waitMs) }, "the outcome could not be delivered; will try again");
    },
  };
  try {
    const { state } = await retry(() => settings.client.call(api.agent.finish, { attemptId, fencingToken, outcome }, giveUp), options);
    log.info({ status: outcome.status, state }, "attempt ended");
    return outcome.status === "done" && state === "succeeded";
  } catch (error) {
    if (!isHoldfastError(error, "LEASE_LOST")) throw error;
    log.warn({ status: outcome.status, err: error }, "the server had given the work away");
    return false;
  }
}
