import { formatBytes, formatDuration } from "../lib/units.ts";
import type { LogGroup } from "../model/log-groups.ts";
import type { RestorePlan, StopPoint } from "../model/restore.ts";
import { formatInZone } from "../model/zoned-time.ts";
import { printable, table } from "./text.ts";

function groupText(group: LogGroup, zone: string): string {
  const what = group.statement ?? group.tables.map(({ name }) => name).slice(0, 3).join(", ");
  const took = group.durationS > 0 ? `, ran ${String(group.durationS)} s` : "";
  return `GTID ${group.gtid}, ${formatInZone(new Date(group.stampS * 1_000).toISOString(), zone)}${took}: ${printable(what)}`;
}

function stopText(stop: StopPoint, zone: string): string[] {
  return [
    `stops at   ${stop.file}:${String(stop.position)}`,
    `  last in  ${stop.lastGroup === null ? "(nothing of the log)" : groupText(stop.lastGroup, zone)}`,
    `  first out ${stop.nextGroup === null ? "(end of the stored log)" : groupText(stop.nextGroup, zone)}`,
    ...stop.doubts.map((doubt) => `  note: ${doubt}`),
  ];
}

/** A plan for people: what is used, where it stops, what it costs. */
export function planText(plan: RestorePlan, zone: string, width: number): string {
  const chain = plan.chain.map((backup) => `${backup.kind} ${backup.backupId}, ${formatBytes(backup.streamBytes)}`);
  const logBytes = plan.segments.reduce((sum, { segment }) => sum + segment.endPosition - segment.startPosition, 0);
  const steps = table(
    [{ title: "step" }, { title: "what", shrink: true }, { title: "bytes", align: "right" }, { title: "expected", align: "right" }],
    plan.steps.map((step) => [step.name, step.description, formatBytes(step.bytes), step.expectedMs === null ? "not measured" : formatDuration(step.expectedMs)]),
    width,
  );
  const passedOver = plan.passedOver.map(({ subject }) => subject.replace(":", " "));
  return [
    [`chain      ${chain.join("\n           ")}`, `log        ${String(plan.segments.length)} pieces, ${formatBytes(logBytes)}`, ...(passedOver.length === 0 ? [] : [`not used   ${passedOver.map((each) => `${each} (damaged)`).join("\n           ")}`]), ...(plan.stop === null ? [] : stopText(plan.stop, zone))].join("\n"),
    steps,
    [`to fetch   ${formatBytes(plan.bytesToFetch)}`, `expected   ${plan.expectedMs === null ? "unknown until a restore or verification was measured" : formatDuration(plan.expectedMs)}`, ...plan.warnings.map((warning) => `WARNING    ${printable(warning)}`)].join("\n"),
  ].join("\n\n");
}
