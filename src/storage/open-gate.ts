import { createHash } from "node:crypto";
import type { Clock } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Grant, SignedGrant } from "../model/grant.ts";
import { checkGrantTerms, grantVerifier } from "../model/grant-check.ts";
import type { ObjectGate } from "./gate.ts";
import type { Storage } from "./storage.ts";

export interface GateOptions {
  /** Repositories by name. */
  readonly repositories: ReadonlyMap<string, Storage>;
  /** The server's public key, base64url, as `Signer.publicKey` gives it. */
  readonly publicKey: string;
  readonly clock: Clock;
}

/** A gate in this process. Grants are checked with the public key alone, without asking anybody. */
export function openGate({ repositories, publicKey, clock }: GateOptions): ObjectGate {
  const verify = grantVerifier(publicKey);
  const enter = (signed: SignedGrant, operation: Grant["operation"]): { grant: Grant; storage: Storage } => {
    const grant = verify(signed);
    checkGrantTerms(grant, { operation, nowMs: clock.nowMs() });
    const storage = repositories.get(grant.repository);
    if (storage === undefined) throw new HoldfastError("GRANT_INVALID", `The grant for ${grant.key} names the repository ${grant.repository}, which is not served here.`);
    return { grant, storage };
  };
  return {
    async put(signed, body, signal) {
      const { grant, storage } = enter(signed, "put");
      await storage.put(grant.key, body, { sizeBytes: grant.sizeBytes, sha256: grant.sha256, signal });
    },
    async confirm(signed, signal) {
      const { grant, storage } = enter(signed, "put");
      const stored = await storage.stat(grant.key);
      if (stored?.sizeBytes !== grant.sizeBytes) return false;
      const hash = createHash("sha256");
      for await (const chunk of await storage.get(grant.key, { signal })) hash.update(chunk as Uint8Array);
      return hash.digest("hex") === grant.sha256;
    },
    async get(signed, range, signal) {
      const { grant, storage } = enter(signed, "get");
      return storage.get(grant.key, range === undefined ? { signal } : { range, signal });
    },
  };
}
