import type { Command } from "../command.ts";
import { diagnosisLines } from "../diagnosis.ts";

export const keyRotateCommand: Command = {
  name: "key rotate",
  summary: "Seal new backups to another recipient: shows where the configuration names the old one, and with --write puts the new one there.",
  arguments: [
    { name: "old", description: "recipient that is named now" },
    { name: "new", description: "recipient in its place" },
  ],
  options: [{ flags: "--write", description: "change the configuration file; without it nothing is changed" }],
  examples: ["holdfast key rotate age1old... age1new...", "holdfast key rotate age1old... age1new... --write"],
  run: async (context, { old = "", new: next = "" }, { write }) => {
    const { places, isWritten, diagnoses } = await context.local.keyRotate({ config: context.configPath, from: old, to: next, isToBeWritten: write === true });
    const lines = [
      ...places.map(({ field, line }) => `${isWritten ? "changed" : "to change"}: ${context.configPath}:${String(line)}: ${field}`),
      diagnosisLines(diagnoses),
      isWritten ? "Run `holdfast apply` where `holdfast up` runs; backups and log are sealed to the new recipient from then on." : "Nothing was changed; --write does it.",
      "What was stored before stays sealed to the old recipient: keep its identity as long as any of it is kept. `holdfast backup show` tells by whom a backup can be read.",
      "For the new identity alone to be enough: FLUSH BINARY LOGS on the server, then a full backup (docs/keys.md tells why).",
    ];
    context.output.result({ places, written: isWritten, diagnoses }, lines.join("\n"));
  },
};
