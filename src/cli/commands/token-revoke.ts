import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";

export const tokenRevokeCommand: Command = {
  name: "token revoke",
  summary: "End a token at once.",
  arguments: [{ name: "token", description: "its id, as `holdfast token list` shows it" }],
  run: async (context, { token: tokenId = "" }) => {
    const { token } = await (await context.client()).call(api.tokens.revoke, { tokenId }, context.signal);
    context.output.result({ token }, `The token ${token.name} (${token.tokenId}) is revoked.`);
  },
};
