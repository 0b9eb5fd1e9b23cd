import type { SignedGrant } from "../model/grant.ts";

export interface OpenRequest {
  /** To read the object (`get`), with the hash of its header. */
  readonly grant: SignedGrant;
  readonly header: Uint8Array;
}

/**
 * The only place where private keys are. It takes the header of a pack together with the signed grant to read that
 * very object and gives the file key of that pack: never an identity. It checks the grant's signature, expiry and
 * operation (GRANT_INVALID) and that this is the header the grant names, and keeps a record of each release and refusal.
 * KEY_WRONG when it is another pack's header, or no identity opens it. One refusal refuses the whole call.
 */
export interface Keyholder {
  open(requests: readonly OpenRequest[]): Promise<Uint8Array[]>;
}
