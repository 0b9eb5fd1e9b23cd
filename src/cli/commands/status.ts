import { formatBytes } from "../../lib/units.ts";
import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { ago, findingLines, instanceTable } from "../summaries.ts";
import { table } from "../text.ts";
import { progressLine } from "../watch-job.ts";

export const statusCommand: Command = {
  name: "status",
  summary: "One page: what is protected, how far back, what is running, what is wrong.",
  run: async (context) => {
    const status = await (await context.client()).call(api.system.status, {}, context.signal);
    const nowMs = Date.parse(status.now);
    const repositories = table(
      [{ title: "repository" }, { title: "place", shrink: true }, { title: "backups", align: "right" }, { title: "stored", align: "right" }],
      status.repositories.map((each) => [each.name, each.place, String(each.backupCount), formatBytes(each.storedBytes)]),
      context.columns,
    );
    const running = status.running.map((job) => {
      const progress = job.attempts.at(-1)?.progress;
      return `  ${job.kind} ${job.instanceName ?? ""} ${job.subject}, since ${ago(job.attempts.at(-1)?.startedAt ?? job.createdAt, nowMs)}${progress ? `: ${progressLine(progress)}` : ""}`;
    });
    const { frozen } = status;
    const page = [
      ...(frozen === null ? [] : [`FROZEN since the catalog was ${frozen.why} ${ago(frozen.at, nowMs)}: nothing is scheduled, no backup is begun, nothing is deleted.\nSee that nothing is missing and that no other server works on these repositories, then run \`holdfast thaw\`.`]),
      instanceTable(status.instances, nowMs, context.columns),
      repositories,
      `Running\n${running.length === 0 ? "  nothing" : running.join("\n")}`,
      `Wrong\n${findingLines(status.findings, nowMs)}`,
      `Holdfast ${status.version} · signing key ${status.signingKeyFingerprint}`,
    ];
    context.output.result(status, page.join("\n\n"));
  },
};
