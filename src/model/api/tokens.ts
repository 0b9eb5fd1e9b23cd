import { z } from "zod";
import { tokenRoleSchema } from "../role.ts";
import { idSchema, nameSchema } from "../scalars.ts";
import { tokenSchema } from "../token.ts";
import { pageInput, pageOutput } from "./page.ts";
import { route } from "./route.ts";

const LONGEST_S = 10 * 366 * 24 * 3_600;

export const tokenRoutes = {
  create: route({
    name: "tokens.create",
    method: "POST",
    path: "/v1/tokens",
    summary: "Make a token for a person or program. Its text is in this answer and nowhere else.",
    role: "admin",
    once: "secret",
    input: z.object({ name: nameSchema, role: tokenRoleSchema, expiresInS: z.number().int().min(1).max(LONGEST_S).optional() }),
    output: z.object({ token: tokenSchema, text: z.string() }),
  }),
  list: route({
    name: "tokens.list",
    method: "GET",
    path: "/v1/tokens",
    summary: "Every token that was ever made, newest first, without secrets.",
    role: "auditor",
    input: z.object(pageInput),
    output: z.object({ tokens: z.array(tokenSchema), ...pageOutput }),
  }),
  revoke: route({
    name: "tokens.revoke",
    method: "POST",
    path: "/v1/tokens/:tokenId/revoke",
    summary: "End a token at once; revoking it again changes nothing.",
    role: "admin",
    input: z.object({ tokenId: idSchema }),
    output: z.object({ token: tokenSchema }),
  }),
};
