import { resolve } from "node:path";
import type { Command } from "../command.ts";

export const keyCeremonyCommand: Command = {
  name: "key ceremony",
  summary: "Make the escrow pair: shows the identity once, for paper, asks for it to prove that it was kept, and only then prints the recipient.",
  options: [
    { flags: "--printer <device>", description: "print the identity there instead of showing it, for example /dev/usb/lp0" },
    { flags: "--from <file>", description: "read it back from this file, on a medium that is taken away, instead of asking for it to be typed" },
  ],
  examples: ["holdfast key ceremony", "holdfast key ceremony --printer /dev/usb/lp0"],
  run: async (context, _args, { printer, from }) => {
    const path = (value: unknown): string | undefined => (value === undefined ? undefined : resolve(value as string));
    const made = await context.local.keyCeremony({ printer: path(printer), from: path(from), signal: context.signal });
    context.output.note("The identity came back as it was. It is on no disk of this machine. Its recipient, for `keys.recipients`, is:");
    context.output.result(made, made.recipient);
  },
};
