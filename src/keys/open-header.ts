import { Decrypter } from "age-encryption";
import { HoldfastError } from "../lib/errors.ts";

/** Gives the file key of one age header; `name` says in errors whose header it is. */
export type HeaderOpener = (name: string, header: Uint8Array) => Promise<Uint8Array>;

/**
 * Opens headers with these identities (the keyholder's, or the server's own metadata identity). Throws KEY_WRONG when
 * none of them opens a header, be it for somebody else's key or altered: without the key nobody can tell the two apart.
 * `field` is the setting that names them, for that message.
 */
export function headerOpener(identities: readonly string[], field = "keys.identities"): HeaderOpener {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  return async (name, header) => {
    try {
      return await decrypter.decryptHeader(header);
    } catch (cause) {
      throw new HoldfastError("KEY_WRONG", `${who(identities.length, field)} opens ${name}.`, { cause });
    }
  };
}

function who(count: number, field: string): string {
  if (count === 0) return `${field} names no identity, so nothing here`;
  return `None of the identities in ${field} (${String(count)})`;
}
