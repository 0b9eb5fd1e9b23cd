import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { jsonOrUndefined } from "../lib/json-or-undefined.ts";
import { keyFingerprint } from "../lib/signing.ts";
import { REPOSITORY_MARK_KEY, type RepositoryMark, repositoryMarkSchema } from "../model/manifest.ts";
import type { Storage } from "./storage.ts";

/** A mark is a few lines; a larger object under its key is none. */
const MARK_LIMIT_BYTES = 64 * 1024;

/** The repository's mark; null when it is new. FORMAT_INVALID when `holdfast.json` is something else. */
export async function readRepositoryMark(storage: Storage): Promise<RepositoryMark | null> {
  const text = await readMark(storage);
  if (text === null) return null;
  const parsed = repositoryMarkSchema.safeParse(jsonOrUndefined(text));
  const mark = parsed.data;
  if (mark !== undefined && keyFingerprint(mark.signingPublicKey) === mark.signingKeyFingerprint) return mark;
  throw new HoldfastError("FORMAT_INVALID", `${REPOSITORY_MARK_KEY} in ${storage.describe()} is not the mark of a repository.`, { cause: parsed.error });
}

async function readMark(storage: Storage): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of await storage.get(REPOSITORY_MARK_KEY)) {
      chunks.push(chunk as Uint8Array);
      sizeBytes += (chunk as Uint8Array).byteLength;
      if (sizeBytes > MARK_LIMIT_BYTES) throw new HoldfastError("FORMAT_INVALID", `${REPOSITORY_MARK_KEY} in ${storage.describe()} is too large to be the mark of a repository.`);
    }
  } catch (error) {
    if (isHoldfastError(error, "OBJECT_NOT_FOUND")) return null;
    throw error;
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** REPOSITORY_FOREIGN, naming both signing keys: the repository belongs to another installation. */
export function refuseForeign(storage: Storage, found: string, own: string): never {
  throw new HoldfastError(
    "REPOSITORY_FOREIGN",
    `The repository ${storage.describe()} belongs to the installation with signing key ${found}; this one's is ${own}.`,
    { details: { found, own } },
  );
}
