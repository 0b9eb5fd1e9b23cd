import { agentNames } from "../catalog/agents.ts";
import { attemptsInState } from "../catalog/attempts.ts";
import { delay } from "../lib/clock.ts";
import { agentWatch } from "./agent-watch.ts";
import { forgetOldAnswers } from "./answer-once.ts";
import { finishInterruptedCommits } from "./commit.ts";
import { finishInterruptedPieces } from "./commit-piece.ts";
import { type Dispatcher, knockDueJobs } from "./dispatch.ts";
import { clear, raise } from "./findings.ts";
import { forgetOldEvents } from "./event-feed.ts";
import { isFrozen } from "./frozen.ts";
import { lookIntoSegments } from "./look-into-segments.ts";
import { openRepositories } from "./open-repository.ts";
import type { OpenLogIndex } from "./plan-restore.ts";
import type { ControlPorts } from "./ports.ts";
import { reapExpired } from "./reaper.ts";
import { bringTailsBack } from "./replaced-tails.ts";
import { schedulePass } from "./scheduler.ts";
import { deleteDoomedObjects, sweepDeadAttempts, sweepLogGrants } from "./sweep.ts";

/** Something the server does again and again. */
export interface Loop {
  readonly name: string;
  readonly everyMs: number;
  pass(): Promise<unknown>;
}

export interface RunningLoops {
  /** Resolves when the passes under way have ended. */
  stop(): Promise<void>;
}

/**
 * Runs each loop until it is stopped: a pass, a pause, the next pass. An error ends a pass, never a loop: it is logged
 * and stands as a finding until a pass goes well.
 */
export function startLoops(ports: Pick<ControlPorts, "catalog" | "clock" | "newId" | "log">, loops: readonly Loop[]): RunningLoops {
  const stopping = new AbortController();
  const running = loops.map((loop) => turn(ports, loop, stopping.signal));
  return {
    stop: async () => {
      stopping.abort(new Error("the server stops"));
      await Promise.all(running);
    },
  };
}

async function turn(ports: Pick<ControlPorts, "catalog" | "clock" | "newId" | "log">, loop: Loop, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await guardedPass(ports, loop);
    try {
      await delay(loop.everyMs, signal);
    } catch {
      // Only the signal ends the pause early, and the loop's condition sees that.
    }
  }
}

/** One pass; what it throws is logged and kept as a finding. */
export async function guardedPass(ports: Pick<ControlPorts, "catalog" | "clock" | "newId" | "log">, loop: Pick<Loop, "name" | "pass">): Promise<void> {
  const about = { kind: "loop-failed", subject: `loop:${loop.name}` };
  try {
    await loop.pass();
    await clear(ports, ports.catalog.db, about);
  } catch (error) {
    ports.log.error({ loop: loop.name, err: error }, "a pass of a control loop failed");
    const message = `The server's ${loop.name} loop fails: ${error instanceof Error ? error.message : String(error)}`;
    try {
      await raise(ports, ports.catalog.db, { ...about, severity: "critical", message, remedy: "Read the server's log; the loop tries again." });
    } catch (second) {
      ports.log.error({ loop: loop.name, err: second }, "the finding about it cannot be written");
    }
  }
}

/**
 * What must be done once before agents are served: opens the repositories, finishes what a crash cut short. Attempts
 * that ran in the process before keep one full lease from now on. Returns the repositories that could not be opened.
 */
export async function recoverAtStart(dispatcher: Dispatcher): Promise<{ name: string; error: unknown }[]> {
  const { ports, leases, settings } = dispatcher;
  const failed = await openRepositories(ports);
  await removeUnfinishedWrites(ports, new Set(failed.map(({ name }) => name)));
  await finishInterruptedCommits(ports);
  await finishInterruptedPieces(ports, settings);
  for (const attempt of await attemptsInState(ports.catalog.db, "running")) leases.begin(attempt.id);
  return failed;
}

/** No single object is written for longer. */
const OTHERS_WRITE_MS = 24 * 3_600_000;

/** Nobody writes yet: what lies unfinished in a repository was left by a process that died. A repository that is not ours is left alone. */
async function removeUnfinishedWrites(ports: ControlPorts, failed: ReadonlySet<string>): Promise<void> {
  // The server that this one stands in for may be alive after all, and writing.
  if (await isFrozen(ports.catalog.db)) return;
  // Agents of other machines have gone on writing while this server was away.
  const olderThanMs = (await agentNames(ports.catalog.db)).size > 0 ? OTHERS_WRITE_MS : 0;
  for (const [repository, storage] of ports.storages) {
    if (failed.has(repository)) continue;
    try {
      const removed = await storage.leftovers({ olderThanMs, remove: true });
      if (removed.length > 0) ports.log.warn({ repository, removed }, "removed writes that a process which died left unfinished");
    } catch (error) {
      ports.log.error({ repository, err: error }, "unfinished writes cannot be removed");
    }
  }
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;

/** The loops of a server. */
export function controlLoops(dispatcher: Dispatcher, openLogIndex: OpenLogIndex): Loop[] {
  const { ports, leases, settings } = dispatcher;
  return [
    { name: "schedule", everyMs: 5 * SECOND_MS, pass: () => schedulePass(ports, settings) },
    { name: "dispatch", everyMs: SECOND_MS, pass: () => knockDueJobs(ports) },
    { name: "progress", everyMs: 2 * SECOND_MS, pass: () => leases.flush() },
    { name: "reaper", everyMs: SECOND_MS, pass: () => reapExpired(ports, leases, settings) },
    { name: "commit", everyMs: MINUTE_MS, pass: () => finishInterrupted(dispatcher) },
    { name: "segments", everyMs: 5 * SECOND_MS, pass: lookIntoSegments(ports, openLogIndex) },
    { name: "agents", everyMs: 5 * SECOND_MS, pass: agentWatch(ports, settings) },
    { name: "forget-answers", everyMs: 60 * MINUTE_MS, pass: () => forgetOldAnswers(ports) },
    { name: "forget-events", everyMs: 10 * MINUTE_MS, pass: () => forgetOldEvents(ports) },
    { name: "sweep", everyMs: 10 * MINUTE_MS, pass: () => sweepAll(ports) },
  ];
}

async function finishInterrupted({ ports, settings }: Pick<Dispatcher, "ports" | "settings">): Promise<void> {
  await finishInterruptedCommits(ports);
  await finishInterruptedPieces(ports, settings);
  await bringTailsBack(ports);
}

async function sweepAll(ports: ControlPorts): Promise<void> {
  await sweepDeadAttempts(ports);
  await sweepLogGrants(ports);
  await deleteDoomedObjects(ports);
}
