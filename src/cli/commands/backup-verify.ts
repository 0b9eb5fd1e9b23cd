import { HoldfastError } from "../../lib/errors.ts";
import { formatDuration } from "../../lib/units.ts";
import { api } from "../../model/api/index.ts";
import type { Tier } from "../../model/policy.ts";
import { verificationResultSchema } from "../../model/verification.ts";
import type { Command } from "../command.ts";
import { printable } from "../text.ts";
import { watchJob } from "../watch-job.ts";

export const backupVerifyCommand: Command = {
  name: "backup verify",
  summary: "Restore a backup for real, in a sandbox, and compare; leaves a signed report.",
  arguments: [{ name: "backup", description: "backup id" }],
  options: [{ flags: "--tier <tier>", description: "how far to go; without it as the policy says", choices: ["T0", "T1", "T2", "T3", "T4"] }],
  examples: ["holdfast backup verify 01KAJ3V0Q8M5ZC2X7T4R6N9PDH", "holdfast backup verify 01KAJ3V0Q8M5ZC2X7T4R6N9PDH --tier T1"],
  run: async (context, { backup: backupId = "" }, options) => {
    const client = await context.client();
    const tier = options["tier"] as Tier | undefined;
    const { job } = await client.call(api.backups.verify, tier === undefined ? { backupId } : { backupId, tier }, context.signal);
    const ended = await watchJob(context, client, job);
    const result = verificationResultSchema.parse(ended.result);
    const lines = result.checks.flatMap((check) => [`${check.tier} ${check.status.padEnd(7)} ${check.name}: ${check.detail}`, ...check.differences.map((difference) => `     ${printable(difference)}`)]);
    const totalMs = result.phases.reduce((sum, phase) => sum + phase.durationMs, 0);
    context.output.result({ job: ended, result }, `${lines.join("\n")}\nVerification ${result.status} at ${result.tier} after ${formatDuration(totalMs)}; \`holdfast backup show ${backupId}\` names the signed report.`);
    if (result.status === "failed") throw new HoldfastError("VERIFICATION_FAILED", `Backup ${backupId} did not pass its verification.`);
  },
};
