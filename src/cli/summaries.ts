import { formatDuration } from "../lib/units.ts";
import type { InstanceSummary } from "../model/api/instances.ts";
import { formatInZone } from "../model/zoned-time.ts";
import type { Finding } from "../model/verification.ts";
import { type Column, printable, table } from "./text.ts";

/** `9 s ago`, `3 min ago`, `never`: as fine as a glance needs. */
export function ago(iso: string | null, nowMs: number): string {
  if (iso === null) return "never";
  const passedMs = Math.max(nowMs - Date.parse(iso), 0);
  if (passedMs < MINUTE_MS) return `${String(Math.floor(passedMs / 1_000))} s ago`;
  if (passedMs < 60 * MINUTE_MS) return `${String(Math.floor(passedMs / MINUTE_MS))} min ago`;
  return `${formatDuration(passedMs)} ago`;
}

const MINUTE_MS = 60_000;

export function instanceTable(instances: readonly InstanceSummary[], nowMs: number, width: number): string {
  if (instances.length === 0) return "No instances. Add one under `instances:` in the configuration and run `holdfast apply`.";
  const columns: Column[] = [
    { title: "instance", shrink: true },
    { title: "policy", shrink: true, spare: 3 },
    { title: "backups", align: "right", spare: 2 },
    { title: "last backup", spare: 1 },
    { title: "verified" },
    { title: "reachable from", shrink: true, least: 16 },
    { title: "to" },
    { title: "wrong", align: "right" },
  ];
  const rows = instances.map((each) => [
    each.removedAt === null ? each.name : `${each.name} (removed)`,
    each.policy,
    String(each.backupCount),
    ago(each.lastBackupAt, nowMs),
    ago(each.lastVerifiedAt, nowMs),
    each.reachableFrom === null ? "-" : `${formatInZone(each.reachableFrom, each.timeZone).slice(0, 16)} ${each.timeZone}`,
    each.reachableTo === null ? "-" : ago(each.reachableTo, nowMs),
    String(each.openFindings),
  ]);
  return table(columns, rows, width);
}

export function findingLines(findings: readonly Finding[], nowMs: number): string {
  if (findings.length === 0) return "  nothing";
  return findings
    .map((finding) => `  ${finding.severity}: ${printable(finding.message)} (${finding.closedAt === null ? `open since ${ago(finding.openedAt, nowMs)}` : `closed ${ago(finding.closedAt, nowMs)}`})\n    → ${printable(finding.remedy)}`)
    .join("\n");
}
