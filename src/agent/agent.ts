import { delay } from "../lib/clock.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { api } from "../model/api/index.ts";
import type { JobKind, Order } from "../model/job.ts";
import type { Queue } from "../queue/queue.ts";
import { type AttemptSettings, runAttempt } from "./attempt.ts";
import { removeLeftovers } from "./scratch.ts";

export interface AgentOptions extends AttemptSettings {
  readonly queue: Queue;
  /** Pools whose knocks concern this agent. */
  readonly pools: readonly string[];
  /** Attempts side by side; shipping of logs, which costs little and never ends, does not count. */
  readonly maxJobs: number;
  /** How often to ask for work without a knock; null: only knocks count (one command in one process). */
  readonly pollEveryMs: number | null;
  /** How long running attempts may take to end after `signal`. */
  readonly stopWithinMs?: number;
  /** What `agent.begin` gave; left out for the agent inside the server's process. */
  readonly session?: string;
  /** Told when the server will never again give this agent work. */
  readonly onDismissed?: (error: unknown) => void;
  /** Ends the agent. */
  readonly signal: AbortSignal;
}

/** A connection that died without a word must not keep the agent waiting for ever. */
const CLAIM_WITHIN_MS = 60_000;
/** Revoked, or another process has taken its place. */
const DISMISSALS = ["UNAUTHENTICATED", "AGENT_REPLACED"] as const;
const STOP_WITHIN_MS = 30_000;
/** Work that takes no place among `maxJobs`. */
const WEIGHTLESS: readonly JobKind[] = ["ship"];

/** Claims due jobs and runs them until the signal ends it; then asks what runs to stop, and waits politely. Never throws for a job's sake. */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { spoolRoot } = options.buffers ?? {};
  for (const root of [options.scratchRoot, ...(spoolRoot === undefined ? [] : [spoolRoot])]) await removeLeftovers(root, options.log);
  const agent = new Agent(options);
  for (const pool of options.pools) void options.queue.listen(pool, agent.onKnock, options.signal);
  options.log.info({ maxJobs: options.maxJobs }, "agent is ready");
  while (!options.signal.aborted) {
    await agent.claimDueJobs();
    await agent.rest();
  }
  await agent.stop();
}

interface Running {
  readonly order: Order;
  readonly ended: Promise<void>;
}

class Agent {
  readonly #options: AgentOptions;
  readonly #running = new Map<string, Running>();
  readonly #knocks = new Set<string>();
  readonly #stop = new AbortController();
  readonly #giveUp = new AbortController();
  #wake = new AbortController();

  constructor(options: AgentOptions) {
    this.#options = options;
  }

  readonly onKnock = (jobId: string): void => {
    this.#knocks.add(jobId);
    this.#wake.abort();
  };

  /** Sleeps until a knock, the end of an attempt, the next poll or the end of the agent. */
  async rest(): Promise<void> {
    if (this.#wake.signal.aborted) return;
    const signal = AbortSignal.any([this.#wake.signal, this.#options.signal]);
    await delay(this.#options.pollEveryMs ?? 3_600_000, signal).catch(() => undefined);
  }

  /** Takes what it can carry: the knocked jobs first, then whatever is due. A server that does not answer is asked again later. */
  async claimDueJobs(): Promise<void> {
    this.#wake = new AbortController();
    for (const jobId of this.#knocks) {
      if (this.#isFull()) break;
      this.#knocks.delete(jobId);
      await this.#claim({ jobId });
    }
    if (this.#options.pollEveryMs === null) return;
    while (!this.#isFull() && (await this.#claim({}))) continue;
    while (await this.#claim({ kinds: [...WEIGHTLESS] })) continue;
  }

  #isFull(): boolean {
    return [...this.#running.values()].filter(({ order }) => !WEIGHTLESS.includes(order.work.kind)).length >= this.#options.maxJobs;
  }

  /** True when there was a job and it was taken. */
  async #claim(choice: { jobId?: string; kinds?: JobKind[] }): Promise<boolean> {
    const { clock, signal } = this.#options;
    if (signal.aborted) return false;
    const claimedAtMs = clock.monotonicMs();
    const order = await this.#askFor(choice);
    if (order === null) return false;
    const ended = runAttempt(this.#options, order, { claimedAtMs, stop: this.#stop.signal, giveUp: this.#giveUp.signal }).finally(() => {
      this.#running.delete(order.attemptId);
      this.#wake.abort();
    });
    this.#running.set(order.attemptId, { order, ended });
    return true;
  }

  /** Is not ended by the agent's own end: an order that was given but never heard would only come back when its lease runs out. */
  async #askFor(choice: { jobId?: string; kinds?: JobKind[] }): Promise<Order | null> {
    try {
      const { name, session, client } = this.#options;
      const { order } = await client.call(api.agent.claim, { agent: name, ...(session === undefined ? {} : { session }), ...choice }, AbortSignal.timeout(CLAIM_WITHIN_MS));
      return order;
    } catch (error) {
      if (DISMISSALS.some((code) => isHoldfastError(error, code))) this.#options.onDismissed?.(error);
      this.#options.log.warn({ err: error, ...choice }, "no work could be claimed; will ask again");
      return null;
    }
  }

  /** Asks what runs to end, and waits for it as long as the limit allows. */
  async stop(): Promise<void> {
    const limitMs = this.#options.stopWithinMs ?? STOP_WITHIN_MS;
    this.#stop.abort(new HoldfastError("AGENT_STOPPED", `Agent ${this.#options.name} was stopped while it worked.`));
    const waiting = new AbortController();
    const ended = Promise.all([...this.#running.values()].map((attempt) => attempt.ended)).then(() => true);
    const inTime = await Promise.race([ended, delay(limitMs, waiting.signal).then(() => false)]);
    waiting.abort();
    this.#giveUp.abort(new HoldfastError("AGENT_STOPPED", `Agent ${this.#options.name} has stopped.`));
    if (inTime) return;
    const attempts = [...this.#running.keys()];
    this.#options.log.error({ attempts, limitMs }, "attempts did not end in time; the server will give their work away");
  }
}
