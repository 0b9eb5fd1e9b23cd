import { durationSchema } from "../../lib/units.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { api } from "../../model/api/index.ts";
import { tokenRoleSchema } from "../../model/role.ts";
import type { Command } from "../command.ts";
import { textOption } from "../options.ts";

export const tokenCreateCommand: Command = {
  name: "token create",
  summary: "Make a token for a person or program; its text is printed here and kept nowhere.",
  arguments: [{ name: "name", description: "who or what will use it" }],
  options: [
    { flags: "--role <role>", description: "viewer looks; operator also runs; approver also releases and thaws; auditor also exports; admin does everything", choices: tokenRoleSchema.options, required: true },
    { flags: "--expires-in <duration>", description: "for how long it is valid, like 90d; until it is revoked unless told" },
  ],
  examples: ["holdfast token create ann --role operator --expires-in 90d > ann.token", "holdfast token create dashboard --role viewer"],
  run: async (context, { name = "" }, options) => {
    const expiresIn = textOption(options["expiresIn"]);
    const role = tokenRoleSchema.parse(options["role"]);
    const expires = expiresIn === undefined ? {} : { expiresInS: secondsOf(expiresIn) };
    const { token, text } = await (await context.client()).call(api.tokens.create, { name, role, ...expires }, context.signal);
    context.output.note(`Token ${token.tokenId} of the role ${role}, ${token.expiresAt === null ? "valid until it is revoked" : `valid until ${token.expiresAt}`}. Keep it in a file that only its user may read.`);
    context.output.result({ token, text }, text);
  },
};

export function secondsOf(text: string): number {
  const parsed = durationSchema.safeParse(text);
  if (!parsed.success || parsed.data < 1_000) throw new HoldfastError("USAGE", `--expires-in is "${text}", which is not a duration of a second or more, like 30m or 90d.`);
  return Math.floor(parsed.data / 1_000);
}
