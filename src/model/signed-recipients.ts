import { z } from "zod";
import { isoTimeSchema } from "./scalars.ts";
import { signedSchema } from "./signed.ts";

export const RECIPIENTS_KIND = "holdfast-recipients-v1";

/** To whom an organisation wants its backups sealed. A list with a higher serial takes the place of every one before it. */
export const recipientListSchema = z.object({
  serial: z.number().int().positive(),
  signedAt: isoTimeSchema,
  recipients: z.array(z.string()).min(1),
});
export type RecipientList = z.infer<typeof recipientListSchema>;

/** The list with the signature of the organisation's key, which no server has. Orders carry it to agents that pin the key. */
export const signedRecipientsSchema = signedSchema(recipientListSchema);
export type SignedRecipients = z.infer<typeof signedRecipientsSchema>;

/** Whether two lists name the same recipients, in whatever order. */
export function areSameRecipients(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((recipient) => other.includes(recipient));
}
