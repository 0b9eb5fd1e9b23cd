import { resolve } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import type { Command } from "../command.ts";
import { diagnosisLines } from "../diagnosis.ts";

export const keyCheckCommand: Command = {
  name: "key check",
  summary: "Prove that identities open what is sealed to the configured recipients.",
  arguments: [{ name: "file", description: "an identity file, for example the escrow one; without it those of the configuration", optional: true }],
  examples: ["holdfast key check", "holdfast key check /media/safe/escrow.key"],
  run: async (context, { file }) => {
    const diagnoses = await context.local.keyCheck({ config: context.configPath, path: file === undefined ? undefined : resolve(file) });
    context.output.result({ diagnoses }, diagnosisLines(diagnoses));
    if (diagnoses.some(({ status }) => status === "error")) throw new HoldfastError("KEY_WRONG", "At least one key is not usable.", { hint: "Follow the remedies above." });
  },
};
