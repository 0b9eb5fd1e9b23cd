import { HoldfastError } from "../../lib/errors.ts";
import type { Command } from "../command.ts";
import { completionScript, SHELLS } from "../completion-script.ts";

/** Takes the list as a function: this command is itself on it. */
export function completionCommand(commands: () => readonly Command[]): Command {
  return {
    name: "completion",
    summary: "Print a completion script for your shell.",
    arguments: [{ name: "shell", description: SHELLS.join(", ") }],
    examples: ["holdfast completion bash > /etc/bash_completion.d/holdfast"],
    run: (context, { shell = "" }) => {
      const known = SHELLS.find((each) => each === shell);
      if (known === undefined) throw new HoldfastError("USAGE", `"${shell}" is not one of ${SHELLS.join(", ")}.`);
      const script = completionScript(known, commands());
      context.output.result({ shell, script }, script);
      return Promise.resolve();
    },
  };
}
