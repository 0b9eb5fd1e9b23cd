import { resolve } from "node:path";
import type { Command } from "../command.ts";

export const keyGenerateCommand: Command = {
  name: "key generate",
  summary: "Make a pair of age keys: the identity into a new file that only you can read, the recipient on the screen.",
  arguments: [{ name: "file", description: "new file for the identity" }],
  examples: ["holdfast key generate daily.key"],
  run: async (context, { file = "" }) => {
    const made = await context.local.keyGenerate({ path: resolve(file) });
    context.output.note(`The identity is in ${made.path}. Whoever has it can read your backups; without it nobody can. Its recipient, for \`keys.recipients\`, is:`);
    context.output.result(made, made.recipient);
  },
};
