import { z } from "zod";
import { tokenRoleSchema } from "./role.ts";
import { idSchema, isoTimeSchema, nameSchema } from "./scalars.ts";

/** A token as everybody may see it: never its secret. */
export const tokenSchema = z.object({
  tokenId: idSchema,
  name: nameSchema,
  role: tokenRoleSchema,
  createdAt: isoTimeSchema,
  createdBy: z.string(),
  /** Null: until it is revoked. */
  expiresAt: isoTimeSchema.nullable(),
  revokedAt: isoTimeSchema.nullable(),
});
export type Token = z.infer<typeof tokenSchema>;
