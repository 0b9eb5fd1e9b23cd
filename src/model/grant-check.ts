import { createHash } from "node:crypto";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { verifySigned } from "../lib/signing.ts";
import { type Grant, GRANT_KIND, type SignedGrant } from "./grant.ts";

/** Checks who signed a grant and gives its content; throws GRANT_INVALID. */
export type VerifyGrant = (grant: SignedGrant) => Grant;

/** Checks grants against the server's public key (base64url, raw Ed25519). */
export function grantVerifier(publicKey: string): VerifyGrant {
  return (grant) => {
    try {
      return verifySigned(grant, { kind: GRANT_KIND, publicKey, name: `The grant for ${grant.body.key}` });
    } catch (cause) {
      if (!isHoldfastError(cause, "SIGNATURE_INVALID")) throw cause;
      throw new HoldfastError("GRANT_INVALID", cause.message, { cause });
    }
  };
}

/** Throws GRANT_INVALID unless the grant permits this operation now. `nowMs` is the wall clock's. */
export function checkGrantTerms(grant: Grant, { operation, nowMs }: { operation: Grant["operation"]; nowMs: number }): void {
  if (grant.operation !== operation) {
    throw new HoldfastError("GRANT_INVALID", `The grant for ${grant.key} permits ${grant.operation}, not ${operation}.`);
  }
  // Written so that an instant that cannot be read is refused as well.
  if (!(nowMs < Date.parse(grant.expiresAt))) {
    throw new HoldfastError("GRANT_INVALID", `The grant for ${grant.key} expired at ${grant.expiresAt}.`);
  }
}

/** Throws GRANT_INVALID unless the grant names a header, KEY_WRONG unless it is this one. */
export function checkGrantHeader(grant: Grant, header: Uint8Array): void {
  if (grant.headerSha256 === undefined) throw new HoldfastError("GRANT_INVALID", `The grant for ${grant.key} permits to read it, not to open it.`);
  if (createHash("sha256").update(header).digest("hex") === grant.headerSha256) return;
  throw new HoldfastError("KEY_WRONG", `The header that was sent for ${grant.key} is not the one its grant was given for.`, { hint: "It was altered on the way, or is another pack's." });
}
