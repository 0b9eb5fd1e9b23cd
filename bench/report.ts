import type { Run } from "./measure.ts";
import { spread } from "./statistics.ts";

export interface Pair {
  readonly shell: Run;
  readonly holdfast: Run & { readonly streamS: number };
}

const MIB = 1024 ** 2;

/** Lines that say how one kind of work compares. */
export function pairReport(name: string, pairs: readonly Pair[], bar: number): string[] {
  const of = (pick: (pair: Pair) => number): { low: number; median: number; high: number } => spread(pairs.map(pick));
  const ratio = of(({ shell, holdfast }) => shell.wallS / holdfast.wallS);
  const stream = of(({ shell, holdfast }) => shell.wallS / holdfast.streamS);
  const [shellWall, ourWall] = [of(({ shell }) => shell.wallS), of(({ holdfast }) => holdfast.wallS)];
  const [shellCpu, ourCpu] = [of(({ shell }) => shell.cpuS), of(({ holdfast }) => holdfast.cpuS)];
  const peak = Math.max(...pairs.map(({ holdfast }) => holdfast.peakRssBytes)) / MIB;
  const ofMedians = shellWall.median / ourWall.median;
  const verdict = ofMedians >= bar && ratio.low >= 0.95 * bar ? "met" : "missed";
  return [
    `${name}: ${ofMedians.toFixed(2)}x of the shell (ratio of medians), bar ${bar.toFixed(2)}: ${verdict}`,
    `  ratio by pair   low quartile ${ratio.low.toFixed(2)}, median ${ratio.median.toFixed(2)}, high quartile ${ratio.high.toFixed(2)}; stream alone ${stream.median.toFixed(2)}`,
    `  wall            shell ${seconds(shellWall)}, Holdfast ${seconds(ourWall)}`,
    `  CPU             shell ${seconds(shellCpu)}, Holdfast ${seconds(ourCpu)} (children included)`,
    `  peak memory     ${peak.toFixed(0)} MiB of Holdfast's own process`,
  ];
}

function seconds({ low, median, high }: { low: number; median: number; high: number }): string {
  return `${median.toFixed(2)} s (${low.toFixed(2)}-${high.toFixed(2)})`;
}

/** Stored size of the same stream, as a share of the shell's. */
export function sizeReport(pairs: readonly Pair[]): string {
  const share = spread(pairs.map(({ shell, holdfast }) => holdfast.storedBytes / shell.storedBytes)).median;
  const verdict = Math.abs(share - 1) <= 0.02 ? "within 2 %" : "NOT within 2 %";
  return `stored size: ${(share * 100).toFixed(2)} % of the shell's: ${verdict}`;
}
