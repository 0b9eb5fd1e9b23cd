import { formatDuration } from "../../lib/units.ts";
import { api } from "../../model/api/index.ts";
import { formatPosition } from "../../model/position.ts";
import { restoreResultSchema, type RestoreResult } from "../../model/restore.ts";
import type { Command } from "../command.ts";
import { planText } from "../plan-text.ts";
import { GOAL_OPTIONS, goalFrom, targetFrom } from "../restore-options.ts";
import { watchJob } from "../watch-job.ts";

export const restoreRunCommand: Command = {
  name: "restore run",
  summary: "Restore a server into a directory, or one table as SQL or into another server. The source is never touched.",
  arguments: [{ name: "instance", description: "name or id" }],
  options: [
    ...GOAL_OPTIONS,
    { flags: "--target-dir <directory>", description: "new or empty directory for the whole server" },
    { flags: "--start", description: "leave a server running on the directory, reachable by a socket in it" },
    { flags: "--table <schema.table>", description: "only this table" },
    { flags: "--sql <file>", description: "write the table as SQL into this new file" },
    { flags: "--into <connection>", description: "load the table into another server, given as JSON like `connection` in the configuration" },
  ],
  examples: [
    'holdfast restore run shop --to "2026-11-21 14:02:59" --target-dir /srv/restored',
    'holdfast restore run shop --latest --target-dir /srv/restored --start',
    'holdfast restore run shop --to "2026-11-21 14:02:59" --table shop.orders --sql orders.sql',
    "holdfast restore run shop --gtid 0-1-4711 --table '`my.shop`.orders' --into '{\"socket\":\"/run/other.sock\",\"user\":\"root\"}'",
  ],
  run: async (context, { instance = "" }, options) => {
    const target = targetFrom(options);
    const request = goalFrom(options);
    const client = await context.client();
    const goal = await request(context, client, instance);
    const { instance: found } = await client.call(api.instances.show, { instance }, context.signal);
    const { job, plan } = await client.call(api.restores.run, { instance, goal, allowGap: options["allowGap"] === true, target }, context.signal);
    context.output.note(`${planText(plan, found.timeZone, context.columns)}\n`);
    const ended = await watchJob(context, client, job);
    const result = restoreResultSchema.parse(ended.result);
    context.output.result({ job: ended, result }, resultText(result));
  },
};

function resultText(result: RestoreResult): string {
  const phases = result.phases.filter(({ durationMs }) => durationMs >= 1).map((phase) => `${phase.name} ${formatDuration(phase.durationMs)}`);
  return [
    `Restored to ${result.targetPath} in ${formatDuration(result.totalMs)} (${phases.join(", ")}).`,
    ...(result.reached === null ? [] : [`The data are as of ${formatPosition(result.reached)}${result.reached.gtid === "" ? "" : `, GTID ${result.reached.gtid}`}.`]),
    ...(result.server === null ? [] : [`A server runs on it (process ${String(result.server.pid)}, user ${result.server.user}): mariadb --socket=${result.server.socket}`]),
    ...result.notes,
  ].join("\n");
}
