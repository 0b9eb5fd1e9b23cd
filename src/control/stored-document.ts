import { createHash } from "node:crypto";
import { insertKeptDocument } from "../catalog/kept-documents.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Storage } from "../storage/storage.ts";
import { type ControlPorts, storageOf } from "./ports.ts";

/** A signed document is small; a larger object under its key is not one. */
const DOCUMENT_LIMIT_BYTES = 256 * 1024 ** 2;

export function documentSha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/** Size and hash of a document as it is stored. */
export function documentFacts(text: string): { sizeBytes: number; sha256: string } {
  return { sizeBytes: Buffer.byteLength(text, "utf8"), sha256: documentSha256(text) };
}

/** The whole document as text; OBJECT_NOT_FOUND when there is none. */
export async function readDocument(storage: Storage, key: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of await storage.get(key)) {
    chunks.push(chunk as Uint8Array);
    sizeBytes += (chunk as Uint8Array).byteLength;
    if (sizeBytes > DOCUMENT_LIMIT_BYTES) throw new HoldfastError("FORMAT_INVALID", `${key} is too large to be a document.`);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * Stores a document once. Finding it there already with the same bytes is success: that is how a step cut short by a
 * crash is done again. OBJECT_EXISTS when other bytes are there.
 */
export async function writeDocument(storage: Storage, key: string, text: string): Promise<void> {
  const body = Buffer.from(text, "utf8");
  try {
    await storage.put(key, [body], documentFacts(text));
  } catch (error) {
    if (!isHoldfastError(error, "OBJECT_EXISTS")) throw error;
    if ((await readDocument(storage, key)) !== text) throw error;
  }
}

/** Stores a document that no table of the catalog stands for, and writes down that it must be there: checks look for it. */
export async function keepDocument(ports: Pick<ControlPorts, "catalog" | "storages">, repository: string, document: { key: string; text: string }): Promise<void> {
  const { key, text } = document;
  await writeDocument(storageOf(ports, repository), key, text);
  await insertKeptDocument(ports.catalog.db, repository, { key, ...documentFacts(text) });
}
