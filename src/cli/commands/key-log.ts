import { resolve } from "node:path";
import type { Command } from "../command.ts";

export const keyLogCommand: Command = {
  name: "key log",
  summary: "Check that no entry of a keyholder's log of releases was altered, put in or taken away.",
  arguments: [{ name: "file", description: "`releases.jsonl` in the keyholder's state directory, or a copy of it" }],
  options: [{ flags: "--head <hash>", description: "a hash that this command printed before: its entry must still be there" }],
  examples: ["holdfast key log /var/lib/holdfast-keyholder/releases.jsonl"],
  run: async (context, { file = "" }, { head }) => {
    const found = await context.local.keyLog({ path: resolve(file), head: head as string | undefined });
    const { number, sha256, at } = found;
    context.output.result(found, number === 0 ? "The log is empty." : `${String(number)} entries, the last of ${String(at)}; each follows from the one before.\nhead ${sha256}`);
  },
};
