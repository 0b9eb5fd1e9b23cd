import type { Config } from "./config/config.ts";
import { HoldfastError } from "./lib/errors.ts";
import { readNamedFile } from "./lib/named-file.ts";
import { areSameRecipients, RECIPIENTS_KIND, type SignedRecipients, signedRecipientsSchema } from "./model/signed-recipients.ts";

/**
 * The list that the organisation's key has signed, where the configuration names one. Its signature is for the agents to
 * check: they pin the key. CONFIG_INVALID when it is no such list, or is not of exactly the recipients of `keys.recipients`.
 */
export async function readSignedRecipients({ keys: { recipients, recipientsSigned: path } }: Pick<Config, "keys">): Promise<SignedRecipients | undefined> {
  if (path === undefined) return undefined;
  const document = parseSignedRecipients(await readNamedFile("keys.recipientsSigned", path));
  if (document === null) throw new HoldfastError("CONFIG_INVALID", `keys.recipientsSigned: ${path} holds no signed list of recipients.`, { hint: "Make one with `holdfast key sign-recipients`, where the organisation's key is." });
  const { body } = document;
  if (areSameRecipients(body.recipients, recipients)) return document;
  throw new HoldfastError("CONFIG_INVALID", `keys.recipientsSigned: ${path} (serial ${String(body.serial)}) is for ${body.recipients.join(", ")}; keys.recipients names ${recipients.join(", ")}.`, { hint: "Have the recipients that the configuration names signed anew with `holdfast key sign-recipients`." });
}

/** Null for any other text. */
export function parseSignedRecipients(text: string): SignedRecipients | null {
  try {
    const parsed = signedRecipientsSchema.safeParse(JSON.parse(text));
    return parsed.success && parsed.data.kind === RECIPIENTS_KIND ? parsed.data : null;
  } catch {
    return null;
  }
}
