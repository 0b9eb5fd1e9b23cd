import { createHash } from "node:crypto";
import { Encrypter } from "age-encryption";
import { HoldfastError } from "../lib/errors.ts";

/** Only the kind that every version of `age` opens without a plug-in: years later any machine must do. */
const X25519_RECIPIENT = /^age1[02-9ac-hj-np-z]{58}$/;

/**
 * Checks a list of age recipients and gives it back without white space around them. Throws RECIPIENT_INVALID for an
 * empty list, and naming a value that is not an X25519 public key, is mistyped, or stands there twice.
 */
export function parseRecipients(values: readonly string[]): string[] {
  if (values.length === 0) throw new HoldfastError("RECIPIENT_INVALID", "There is no recipient: nobody could open the backups.");
  const recipients = values.map((value) => parseRecipient(value));
  const twice = recipients.find((recipient, place) => recipients.indexOf(recipient) !== place);
  if (twice !== undefined) {
    throw new HoldfastError("RECIPIENT_INVALID", `The recipient ${twice} stands there twice.`, {
      hint: "Name each recipient once; a second one is worth something only if its identity lies elsewhere.",
    });
  }
  return recipients;
}

/** Checks one recipient; throws RECIPIENT_INVALID naming it. An identity given by mistake is refused without being shown. */
export function parseRecipient(value: string): string {
  const recipient = value.trim();
  if (recipient.toUpperCase().startsWith("AGE-SECRET-KEY-")) {
    throw new HoldfastError("RECIPIENT_INVALID", "An identity (AGE-SECRET-KEY-…) stands where a recipient is due.", {
      hint: "Write the public key instead, and make a new pair if others could read the secret one here.",
    });
  }
  if (!X25519_RECIPIENT.test(recipient)) throw new HoldfastError("RECIPIENT_INVALID", `"${recipient}" is not an age X25519 recipient (age1 and 58 more characters).`);
  try {
    new Encrypter().addRecipient(recipient);
  } catch (cause) {
    throw new HoldfastError("RECIPIENT_INVALID", `"${recipient}" is not a recipient: its checksum is wrong, so it was mistyped or cut.`, { cause });
  }
  return recipient;
}

/** By which a recipient is named where the key itself says too much: SHA-256 (hex) of its text, in the order given. */
export function recipientFingerprints(recipients: readonly string[]): string[] {
  return recipients.map((recipient) => createHash("sha256").update(recipient.trim()).digest("hex"));
}
