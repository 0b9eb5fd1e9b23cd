/** What was last heard of an agent, and since when (monotonic) nothing else was. */
export interface Heard {
  readonly lastSeenAt: string | null;
  readonly sinceMs: number;
}

/** `unknown`: this process does not watch for long enough to tell. */
export type Silence = "calls" | "silent" | "unknown";

/**
 * Whether an agent is silent, judged by the monotonic clock from changes of `lastSeenAt` alone: a wall clock that jumps and
 * a server that was away make nobody silent. `before` is what this gave the last time; undefined for the first look.
 */
export function judgeSilence(before: Heard | undefined, now: { lastSeenAt: string | null; monotonicMs: number; silentMs: number }): { heard: Heard; silence: Silence } {
  const { lastSeenAt, monotonicMs, silentMs } = now;
  if (before === undefined) return { heard: { lastSeenAt, sinceMs: monotonicMs }, silence: "unknown" };
  if (before.lastSeenAt !== lastSeenAt) return { heard: { lastSeenAt, sinceMs: monotonicMs }, silence: "calls" };
  return { heard: before, silence: monotonicMs - before.sinceMs > silentMs ? "silent" : "unknown" };
}
