import { api } from "../../model/api/index.ts";
import type { Token } from "../../model/token.ts";
import type { Command } from "../command.ts";
import { allPages } from "../pages.ts";
import { table } from "../text.ts";

export const tokenListCommand: Command = {
  name: "token list",
  summary: "Every token that was ever made, newest first, without secrets.",
  run: async (context) => {
    const client = await context.client();
    const tokens = await allPages("tokens", (page) => client.call(api.tokens.list, page, context.signal));
    const rows = tokens.map((token) => [token.tokenId, token.name, token.role, stateOf(token, context.nowMs()), token.createdAt, token.createdBy]);
    const columns = [{ title: "token" }, { title: "name", shrink: true }, { title: "role" }, { title: "state" }, { title: "made", spare: 1 }, { title: "by", shrink: true, spare: 2 }];
    context.output.result({ tokens }, tokens.length === 0 ? "There is no token." : table(columns, rows, context.columns));
  },
};

function stateOf({ revokedAt, expiresAt }: Token, nowMs: number): string {
  if (revokedAt !== null) return `revoked ${revokedAt}`;
  if (expiresAt === null) return "in force";
  return Date.parse(expiresAt) <= nowMs ? `expired ${expiresAt}` : `until ${expiresAt}`;
}
