import { createHash } from "node:crypto";
import { HoldfastError } from "../lib/errors.ts";
import type { StoredPart } from "../model/manifest.ts";
import type { Storage } from "../storage/storage.ts";

type Promised = Pick<StoredPart, "sizeBytes" | "sha256">;

/** OBJECT_NOT_FOUND or OBJECT_DAMAGED unless the object is stored with the size that was reported. */
export async function checkStoredSize(storage: Storage, key: string, promised: Promised): Promise<void> {
  const found = await storage.stat(key);
  if (found === null) throw new HoldfastError("OBJECT_NOT_FOUND", `${key} was reported as stored, but it is not there.`);
  if (found.sizeBytes !== promised.sizeBytes) {
    throw new HoldfastError("OBJECT_DAMAGED", `${key} has ${String(found.sizeBytes)} bytes in storage; the report says ${String(promised.sizeBytes)}.`);
  }
}

/** Reads the object back; OBJECT_DAMAGED unless it has the hash that was reported. */
export async function checkStoredHash(storage: Storage, key: string, promised: Promised): Promise<void> {
  await checkStoredSize(storage, key, promised);
  const hash = createHash("sha256");
  for await (const chunk of await storage.get(key)) hash.update(chunk as Uint8Array);
  const sha256 = hash.digest("hex");
  if (sha256 !== promised.sha256) throw new HoldfastError("OBJECT_DAMAGED", `${key} has the SHA-256 ${sha256} in storage; the report says ${promised.sha256}.`);
}
