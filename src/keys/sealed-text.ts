import { Decrypter, Encrypter } from "age-encryption";
import { HoldfastError } from "../lib/errors.ts";

/** A standard age file that each of these recipients' identities opens. */
export async function sealText(text: string, recipients: readonly string[]): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  return encrypter.encrypt(text);
}

/** The text in an age file; `name` says in errors what it is. KEY_WRONG when none of the identities opens it. */
export async function openSealedText(name: string, sealed: Uint8Array, identities: readonly string[]): Promise<string> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    return await decrypter.decrypt(sealed, "text");
  } catch (cause) {
    throw new HoldfastError("KEY_WRONG", `None of the ${String(identities.length)} identities here opens ${name}.`, { cause });
  }
}
