import type { SignedGrant } from "../model/grant.ts";

/**
 * The only place where private keys are. It takes the header of a pack together with the signed grant to read that
 * very object and gives the file key of that pack: never an identity. It checks the grant's signature and expiry
 * (GRANT_INVALID), and logs each release. KEY_WRONG when no identity opens a header.
 */
export interface Keyholder {
  open(requests: readonly { grant: SignedGrant; header: Uint8Array }[]): Promise<Uint8Array[]>;
}
