import { Encrypter } from "age-encryption";
import { HoldfastError } from "../lib/errors.ts";
import { type AgeHeader, PAYLOAD_NONCE_BYTES, TAG_BYTES } from "./age-payload.ts";

const FILE_KEY_BYTES = 16;
const EMPTY_PAYLOAD_BYTES = PAYLOAD_NONCE_BYTES + TAG_BYTES;

/**
 * Makes a standard age header for these recipients with a fresh file key. Throws RECIPIENT_INVALID naming a recipient
 * that is not an age public key.
 */
export async function makeHeader(recipients: readonly string[]): Promise<AgeHeader> {
  const encrypter = new Encrypter();
  for (const recipient of recipients) addRecipient(encrypter, recipient);
  if (recipients.length === 0) throw new HoldfastError("RECIPIENT_INVALID", "A pack cannot be sealed without a recipient: nobody could open it.");
  const fileKey = new Uint8Array(FILE_KEY_BYTES);
  // The library hands the file key to every recipient: one that wraps nothing is a way to learn it without own header code.
  encrypter.addRecipient({
    wrapFileKey: (key) => {
      fileKey.set(key);
      return [];
    },
  });
  const emptyFile = await encrypter.encrypt(new Uint8Array(0));
  return { header: emptyFile.slice(0, emptyFile.byteLength - EMPTY_PAYLOAD_BYTES), fileKey };
}

function addRecipient(encrypter: Encrypter, recipient: string): void {
  try {
    encrypter.addRecipient(recipient);
  } catch (cause) {
    throw new HoldfastError("RECIPIENT_INVALID", `"${recipient}" is not the public key of an age recipient.`, { cause });
  }
}
