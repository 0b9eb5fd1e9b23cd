import { formatBytes } from "../../lib/units.ts";
import { api } from "../../model/api/index.ts";
import type { Coverage } from "../../model/backup.ts";
import { formatPosition } from "../../model/position.ts";
import { formatInZone } from "../../model/zoned-time.ts";
import type { Command } from "../command.ts";
import { table } from "../text.ts";

export const logCoverageCommand: Command = {
  name: "log coverage",
  summary: "Which instants can be reached, and where the log has holes.",
  arguments: [{ name: "instance", description: "name or id" }],
  examples: ["holdfast log coverage shop"],
  run: async (context, { instance = "" }) => {
    const client = await context.client();
    const { coverage } = await client.call(api.instances.coverage, { instance }, context.signal);
    const { instance: found } = await client.call(api.instances.show, { instance }, context.signal);
    context.output.result({ coverage }, coverageText(coverage, found.timeZone, context.columns));
  },
};

function coverageText(coverage: Coverage, zone: string, width: number): string {
  const time = (iso: string | null): string => (iso === null ? "-" : formatInZone(iso, zone));
  if (coverage.intervals.length === 0) return "No log is stored. Log shipping runs inside `holdfast up`; its jobs are in `holdfast job list --kind ship`.";
  const intervals = table(
    [{ title: "from" }, { title: "to" }, { title: "log from", spare: 3 }, { title: "log to", spare: 2 }, { title: "size", align: "right", spare: 1 }, { title: "backups", align: "right" }],
    coverage.intervals.map((each) => [time(each.fromTime), time(each.toTime), formatPosition(each.from), formatPosition(each.to), formatBytes(each.sizeBytes), String(each.backupIds.length)]),
    width,
  );
  const gaps = coverage.gaps.map((gap) => `GAP  ${gap.message}`);
  return `${intervals}\n\n${gaps.length === 0 ? "No gaps." : gaps.join("\n")}`;
}
