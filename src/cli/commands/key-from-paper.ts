import { resolve } from "node:path";
import type { Command } from "../command.ts";

export const keyFromPaperCommand: Command = {
  name: "key from-paper",
  summary: "Type in an identity that `key ceremony` put on paper: each line is checked by its code, and the identity goes to a new file.",
  arguments: [{ name: "file", description: "new file for the identity, best on a disk in memory" }],
  examples: ["holdfast key from-paper /dev/shm/escrow.key"],
  run: async (context, { file = "" }) => {
    const made = await context.local.keyFromPaper({ path: resolve(file), signal: context.signal });
    context.output.note(`The identity is in ${made.path}. Its recipient is:`);
    context.output.result(made, made.recipient);
  },
};
