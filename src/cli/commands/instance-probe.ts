import { HoldfastError } from "../../lib/errors.ts";
import { api } from "../../model/api/index.ts";
import { probeReportSchema } from "../../model/instance.ts";
import type { Command } from "../command.ts";
import { probeText } from "../probe-text.ts";
import { watchJob } from "../watch-job.ts";

export const instanceProbeCommand: Command = {
  name: "instance probe",
  summary: "Look at a server: version, data, log settings, privileges, and what would stop or weaken its backups.",
  arguments: [{ name: "instance", description: "name or id" }],
  examples: ["holdfast instance probe shop"],
  run: async (context, { instance = "" }) => {
    const client = await context.client();
    const { job } = await client.call(api.instances.probe, { instance }, context.signal);
    const report = probeReportSchema.parse((await watchJob(context, client, job)).result);
    context.output.result(report, probeText(report, context.columns));
    const errors = report.notes.filter(({ level }) => level === "error");
    if (errors.length > 0) throw new HoldfastError("DATABASE_UNSUITABLE", `${instance} cannot be backed up yet: ${errors.map(({ message }) => message).join(" ")}`, { hint: errors[0]?.remedy ?? "" });
  },
};
