import { z } from "zod";
import { idSchema, isoTimeSchema, nameSchema, sha256Schema, sizeBytesSchema } from "./scalars.ts";

export const GRANT_KIND = "holdfast-grant-v1";

/** A short-lived permission to write, or read, exactly one object. Signed by the server, checked by the gate offline. */
export const grantSchema = z.object({
  grantId: idSchema,
  operation: z.enum(["put", "get"]),
  repository: nameSchema,
  key: z.string().min(1),
  attemptId: idSchema,
  /** Size and hash the object must have; for `get` they are what the reader is to expect. */
  sizeBytes: sizeBytesSchema,
  sha256: sha256Schema,
  expiresAt: isoTimeSchema,
  /** SHA-256 of the object's age header: with it a `get` also lets the keyholder open that very header. */
  headerSha256: sha256Schema.optional(),
});
export type Grant = z.infer<typeof grantSchema>;

export const signedGrantSchema = z.object({
  kind: z.string(),
  body: grantSchema,
  signature: z.object({ key: z.string(), value: z.string() }),
});
export type SignedGrant = z.infer<typeof signedGrantSchema>;
