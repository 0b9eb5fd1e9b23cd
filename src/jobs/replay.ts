import type { Sandbox } from "../engines/engine.ts";
import type { CoverageGap, SegmentRef } from "../model/backup.ts";
import { comparePositions, type LogPosition, logFileNumber } from "../model/position.ts";
import { assembleLogFiles } from "./log-files.ts";
import type { Phases } from "./phases.ts";
import type { JobPorts } from "./ports.ts";

interface ReplayRequest {
  readonly segments: readonly SegmentRef[];
  readonly start: LogPosition;
  readonly stop: { readonly file: string; readonly position: number };
  /** Holes that the operator accepted; each splits the replay into two runs. */
  readonly gaps: readonly CoverageGap[];
}

interface ReplayRun {
  readonly start: LogPosition;
  readonly stop: { readonly file: string; readonly position: number };
}

/** Fetches the log and replays it on the sandbox up to the stop place: one process over all files between two holes. */
export async function replayLog(ports: JobPorts, phases: Phases, sandbox: Sandbox, request: ReplayRequest): Promise<void> {
  const { start, stop, segments } = request;
  if (comparePositions(start, stop) >= 0) return;
  const bytes = segments.reduce((sum, { segment }) => sum + segment.endPosition - segment.startPosition, 0);
  const files = await phases.run("logs", bytes, () => assembleLogFiles(ports, segments, stop));
  await phases.run("replay", bytes, async () => {
    for (const run of replayRuns(request)) {
      await sandbox.replay(filesOf(files, run), run.start, run.stop, ports.signal);
    }
  });
}

/** The stretches between holes, in log order. */
export function replayRuns({ start, stop, gaps }: Pick<ReplayRequest, "start" | "stop" | "gaps">): ReplayRun[] {
  const runs: ReplayRun[] = [];
  let from = start;
  for (const gap of gaps) {
    if (gap.before === null || comparePositions(gap.after, from) < 0 || comparePositions(gap.before, stop) >= 0) continue;
    if (comparePositions(from, gap.after) < 0) runs.push({ start: from, stop: gap.after });
    from = gap.before;
  }
  if (comparePositions(from, stop) < 0) runs.push({ start: from, stop });
  return runs;
}

function filesOf(paths: readonly string[], run: ReplayRun): string[] {
  const first = logFileNumber(run.start.file);
  const last = logFileNumber(run.stop.file);
  return paths.filter((path) => logFileNumber(path) >= first && logFileNumber(path) <= last);
}
