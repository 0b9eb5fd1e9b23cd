import { z } from "zod";
import { formatBytes } from "../../lib/units.ts";
import { api } from "../../model/api/index.ts";
import type { Job } from "../../model/job.ts";
import { idSchema } from "../../model/scalars.ts";
import type { Command } from "../command.ts";
import { counted } from "../text.ts";
import { watchJob } from "../watch-job.ts";

const resultSchema = z.object({ backupId: idSchema, nextJobId: idSchema.optional() });

export const backupResealCommand: Command = {
  name: "backup reseal",
  summary: "Seal a stored backup, and what it builds on, anew to the recipients of its policy; the old one stays.",
  arguments: [{ name: "backup", description: "backup id" }],
  options: [{ flags: "--detach", description: "do not wait; needs a running `holdfast up`" }],
  examples: ["holdfast backup reseal 01KAJ3V0Q8M5ZC2X7T4R6N9PDH"],
  run: async (context, { backup: backupId = "" }, options) => {
    const client = await context.client();
    const { job, backupIds, log } = await client.call(api.backups.reseal, { backupId }, context.signal);
    const left = log.pieces === 0 ? "No log is stored behind it." : `The log is not resealed: ${counted(log.pieces, "piece")} behind this backup (${formatBytes(log.storedBytes)}) stay sealed as they are.`;
    if (options["detach"] === true) {
      context.output.result({ job, backupIds, log }, `${counted(backupIds.length, "backup")} to be resealed, one job after the other; \`holdfast job watch ${job.jobId}\` shows the first.\n${left}`);
      return;
    }
    const resealed: { from: string; backupId: string }[] = [];
    let ended: Job = job;
    for (let next: Job | null = job; next !== null; ) {
      ended = await watchJob(context, client, next);
      const result = resultSchema.parse(ended.result);
      resealed.push({ from: backupIds[resealed.length] ?? "", backupId: result.backupId });
      next = result.nextJobId === undefined ? null : (await client.call(api.jobs.show, { jobId: result.nextJobId }, context.signal)).job;
    }
    const lines = resealed.map((one) => `${one.from} is resealed as ${one.backupId}`);
    context.output.result({ job: ended, resealed, log }, `${lines.join("\n")}\n${left}\nProve it with: holdfast backup verify ${resealed.at(-1)?.backupId ?? ""}`);
  },
};
