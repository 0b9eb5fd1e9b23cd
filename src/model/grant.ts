import { z } from "zod";
import { idSchema, isoTimeSchema, nameSchema, sha256Schema, sizeBytesSchema } from "./scalars.ts";
import { signedSchema } from "./signed.ts";

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

export const signedGrantSchema = signedSchema(grantSchema);
export type SignedGrant = z.infer<typeof signedGrantSchema>;

/** A request to a store that the server has signed: whoever sends it exactly so, in time, needs no credentials. */
export const signedRequestSchema = z.object({
  method: z.enum(["PUT", "GET", "HEAD"]),
  url: z.url({ protocol: /^https?$/ }),
  /** All of them are signed, and all are to be sent as they stand here. */
  headers: z.record(z.string(), z.string()),
});
export type SignedRequest = z.infer<typeof signedRequestSchema>;

/** What a store itself takes for a grant. */
export const grantRequestSchema = z.object({
  /** Writes or reads the object. */
  transfer: signedRequestSchema,
  /** Asks what is stored under the key; with a grant to put. */
  confirm: signedRequestSchema.optional(),
});
export type GrantRequest = z.infer<typeof grantRequestSchema>;

/** A grant as the server answers it. The request stands beside what is signed, for the store alone. */
export const offeredGrantSchema = signedGrantSchema.extend({ request: grantRequestSchema.optional() });
export type OfferedGrant = z.infer<typeof offeredGrantSchema>;

/** What keyholders and gateways are shown of a grant. */
export function withoutRequest({ kind, body, signature }: OfferedGrant): SignedGrant {
  return { kind, body, signature };
}
