import type { Phase } from "./verification.ts";

/** One restore or verification that was measured. */
export interface MeasuredRun {
  readonly instanceId: string;
  readonly phases: readonly Phase[];
}

/** How many past phases, nearest in size, a forecast rests on. */
const NEIGHBOURS = 5;

/**
 * How long a phase will take, in milliseconds, from phases of that name measured before: of this instance, else of all,
 * else null. The rate is the median of the runs nearest in size, because the fixed cost of a small run says nothing
 * about a large one. A phase that works through no bytes takes its median time.
 */
export function expectedPhaseMs(history: readonly MeasuredRun[], instanceId: string, wanted: { name: string; bytes: number }): number | null {
  const own = history.filter((run) => run.instanceId === instanceId);
  return forecast(phasesNamed(own, wanted.name), wanted.bytes) ?? forecast(phasesNamed(history, wanted.name), wanted.bytes);
}

function phasesNamed(runs: readonly MeasuredRun[], name: string): Phase[] {
  return runs.flatMap(({ phases }) => phases.filter((phase) => phase.name === name));
}

function forecast(phases: readonly Phase[], bytes: number): number | null {
  const sized = phases.filter((phase) => phase.bytes > 0);
  if (bytes > 0 && sized.length > 0) {
    const distance = (phase: Phase): number => Math.abs(Math.log(phase.bytes / bytes));
    const nearest = sized.toSorted((a, b) => distance(a) - distance(b)).slice(0, NEIGHBOURS);
    const msPerByte = median(nearest.map((phase) => phase.durationMs / phase.bytes));
    return msPerByte === null ? null : Math.round(msPerByte * bytes);
  }
  const fixed = median(phases.filter((phase) => phase.bytes === 0).map((phase) => phase.durationMs));
  return fixed === null ? null : Math.round(fixed);
}

/** The middle value, or the mean of the two in the middle; null of nothing. */
export function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined) return null;
  const lower = sorted.length % 2 === 1 ? upper : (sorted[middle - 1] ?? upper);
  return (lower + upper) / 2;
}

/** The sum of the parts that can be foreseen; null when one of them cannot. */
export function sumExpectedMs(parts: readonly (number | null)[]): number | null {
  return parts.reduce<number | null>((sum, part) => (sum === null || part === null ? null : sum + part), 0);
}
