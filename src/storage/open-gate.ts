import type { ObjectGate } from "./gate.ts";
import { type DoorOptions, grantDoor, isStored } from "./grant-door.ts";

/** A gate in this process. Grants are checked with the public key alone, without asking anybody. */
export function openGate(options: DoorOptions): ObjectGate {
  const enter = grantDoor(options);
  return {
    async put(signed, body, signal) {
      const { grant, storage } = enter(signed, "put");
      await storage.put(grant.key, body, { sizeBytes: grant.sizeBytes, sha256: grant.sha256, signal });
    },
    async confirm(signed, signal) {
      return isStored(enter(signed, "put"), signal);
    },
    async get(signed, range, signal) {
      const { grant, storage } = enter(signed, "get");
      return storage.get(grant.key, range === undefined ? { signal } : { range, signal });
    },
  };
}
