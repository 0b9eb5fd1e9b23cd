import { createHash } from "node:crypto";
import type { Clock } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Grant, SignedGrant } from "../model/grant.ts";
import { checkGrantTerms, grantVerifier } from "../model/grant-check.ts";
import type { Storage } from "./storage.ts";

export interface DoorOptions {
  /** Repositories by name. */
  readonly repositories: ReadonlyMap<string, Storage>;
  /** The server's public key, base64url, as `Signer.publicKey` gives it. */
  readonly publicKey: string;
  readonly clock: Pick<Clock, "nowMs">;
}

/** Where a grant leads to. */
export interface Entered {
  readonly grant: Grant;
  readonly storage: Storage;
}

/** Lets a grant in for an operation; throws GRANT_INVALID for any other grant. */
export type EnterDoor = (signed: SignedGrant, operation: Grant["operation"]) => Entered;

/** Checks signature, operation, expiry and repository of grants with the public key alone, without asking anybody. */
export function grantDoor({ repositories, publicKey, clock }: DoorOptions): EnterDoor {
  const verify = grantVerifier(publicKey);
  return (signed, operation) => {
    const grant = verify(signed);
    checkGrantTerms(grant, { operation, nowMs: clock.nowMs() });
    const storage = repositories.get(grant.repository);
    if (storage === undefined) throw new HoldfastError("GRANT_INVALID", `The grant for ${grant.key} names the repository ${grant.repository}, which is not served here.`);
    return { grant, storage };
  };
}

/** True when the object of a grant to put is stored with exactly the size and hash that it names. */
export async function isStored({ grant, storage }: Entered, signal: AbortSignal): Promise<boolean> {
  const stored = await storage.stat(grant.key);
  if (stored?.sizeBytes !== grant.sizeBytes) return false;
  const hash = createHash("sha256");
  for await (const chunk of await storage.get(grant.key, { signal })) hash.update(chunk as Uint8Array);
  return hash.digest("hex") === grant.sha256;
}
