import { resolve } from "node:path";
import type { Command } from "../command.ts";

export const keyOrganisationCommand: Command = {
  name: "key organisation",
  summary: "Make the organisation's key, away from every server: it signs the lists of recipients that agents accept.",
  arguments: [{ name: "file", description: "new file for the private half, on a medium that is taken away" }],
  examples: ["holdfast key organisation /media/stick/organisation.key"],
  run: async (context, { file = "" }) => {
    const made = await context.local.keyOrganisation({ path: resolve(file) });
    context.output.note(`The private half is in ${made.path}. Whoever has it decides who reads your backups: keep it, and a copy of it, away from every server and agent. Its SHA-256 fingerprint is ${made.fingerprint}.`);
    context.output.note("The public half, for `organisationKey` of each agent's file, is:");
    context.output.result(made, made.publicKey);
  },
};
