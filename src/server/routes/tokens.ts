import { listTokens } from "../../catalog/tokens.ts";
import { createToken, endToken } from "../../control/tokens.ts";
import { api } from "../../model/api/index.ts";
import { nameOf } from "../caller.ts";
import { implement } from "../implement.ts";
import { readPage } from "../page.ts";

const { tokens } = api;
/** Over the socket there is no name but the owner's. */
const THE_OWNER = "owner";

export const tokenRoutes = [
  implement(tokens.create, async (request, { dispatcher: { ports } }, { caller }) => createToken(ports, { ...request, by: nameOf(caller, THE_OWNER) })),
  implement(tokens.list, async (page, { dispatcher: { ports } }) => {
    const { entries, next } = await readPage(tokens.list, page, { read: ({ after, limit }) => listTokens(ports.catalog.db, { before: after, limit }), keyOf: ({ tokenId }) => tokenId });
    return { tokens: entries, next };
  }),
  implement(tokens.revoke, async ({ tokenId }, { dispatcher: { ports } }, { caller }) => ({ token: await endToken(ports, tokenId, nameOf(caller, THE_OWNER)) })),
];
