import { resolve } from "node:path";
import type { Command } from "../command.ts";
import { wholeNumber } from "../options.ts";

export const keySignRecipientsCommand: Command = {
  name: "key sign-recipients",
  summary: "Sign a list of recipients with the organisation's key; prints the document for `keys.recipientsSigned`.",
  arguments: [{ name: "recipients", description: "exactly those of `keys.recipients`", isList: true }],
  options: [
    { flags: "--key <file>", description: "the organisation's private key, as `key organisation` made it", required: true },
    { flags: "--serial <number>", description: "higher than of every list before; without it the seconds since 1970" },
  ],
  examples: ["holdfast key sign-recipients --key /media/stick/organisation.key age1daily... age1escrow... > recipients.signed.json"],
  run: async (context, _args, { key, serial }, recipients) => {
    const number = serial === undefined ? undefined : wholeNumber("--serial", serial, { min: 1, max: Number.MAX_SAFE_INTEGER });
    const signed = await context.local.keySignRecipients({ keyPath: resolve(key as string), recipients, serial: number });
    context.output.note(`Signed with serial ${String(signed.body.serial)}: an agent that has seen it takes no list with a lower one.`);
    context.output.result(signed, JSON.stringify(signed, null, 2));
  },
};
