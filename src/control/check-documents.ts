import { getManifest } from "../catalog/backups.ts";
import { listHolds } from "../catalog/holds.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { getPiece } from "../catalog/segments.ts";
import { reportDocument } from "../catalog/verifications.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { jsonDifferences } from "../lib/json-differences.ts";
import { jsonOrUndefined } from "../lib/json-or-undefined.ts";
import { type Signed, verifySigned } from "../lib/signing.ts";
import type { ExpectedObject } from "../model/check.ts";
import { documentPlace, signedDocumentSchema } from "../model/document-place.ts";
import { HOLD_KIND, type HoldDocument } from "../model/hold.ts";
import { holdKey, MANIFEST_KIND, REPOSITORY_MARK_KEY, SEGMENT_KIND, verificationKey } from "../model/manifest.ts";
import { repositoryIdOf } from "./open-repository.ts";
import { type ControlPorts, storageOf } from "./ports.ts";
import { documentSha256, readDocument } from "./stored-document.ts";

const DIFFERENCES_SHOWN = 4;

type Alleged = Pick<ExpectedObject, "key" | "owner" | "sha256">;

/**
 * What is wrong with a document that is not what was stored, in words: whether its signature still holds, the fields that
 * differ from what was signed, and the first byte that does. Null when it is right after all or gone.
 */
export async function documentDamage(ports: ControlPorts, repository: string, expected: Alleged): Promise<string | null> {
  const { key } = expected;
  const found = await readIfThere(ports, repository, key);
  if (found === null || documentSha256(found) === expected.sha256) return null;
  const written = await writtenDocument(ports, repository, expected);
  const parsed = jsonOrUndefined(found);
  const parts = parsed === undefined ? ["it is not JSON any more"] : [signatureWords(ports, key, parsed)];
  if (written === null) return parts.join("; ");
  if (parsed !== undefined) parts.push(...jsonDifferences(jsonOrUndefined(written), parsed, DIFFERENCES_SHOWN));
  parts.push(`it differs from byte ${String(firstDifference(written, found))} on`);
  return parts.join("; ");
}

async function readIfThere(ports: ControlPorts, repository: string, key: string): Promise<string | null> {
  try {
    return await readDocument(storageOf(ports, repository), key);
  } catch (error) {
    if (isHoldfastError(error, "OBJECT_NOT_FOUND") || isHoldfastError(error, "FORMAT_INVALID")) return null;
    throw error;
  }
}

function signatureWords(ports: Pick<ControlPorts, "signer">, key: string, parsed: unknown): string {
  if (key === REPOSITORY_MARK_KEY) return "it is not the mark that was written";
  const signed = readSigned(ports, key, parsed);
  if (signed === null) return "its signature does not match its content";
  const place = documentPlace(signed)?.key;
  return place === undefined || place === key ? "it is signed by this installation, but it is not the document that was stored" : `it is the document that belongs at ${place}`;
}

/** The document, when it is signed by this installation. */
function readSigned({ signer }: Pick<ControlPorts, "signer">, key: string, parsed: unknown): Signed<unknown> | null {
  const envelope = signedDocumentSchema.safeParse(parsed);
  if (!envelope.success) return null;
  const document = { ...envelope.data, body: envelope.data.body ?? null };
  try {
    verifySigned(document, { kind: document.kind, publicKey: signer.publicKey, name: key });
    return document;
  } catch (error) {
    if (isHoldfastError(error, "SIGNATURE_INVALID")) return null;
    throw error;
  }
}

/**
 * The text that was stored, made again from the catalog: the same body gives the same signature. Null when the catalog
 * does not hold it, as for what is sealed, or when it comes out differently.
 */
async function writtenDocument(ports: ControlPorts, repository: string, { key, owner, sha256 }: Alleged): Promise<string | null> {
  const signed = await bodyOf(ports, repository, { key, owner });
  const text = typeof signed === "string" ? signed : signed === null ? null : JSON.stringify(ports.signer.sign(signed.kind, signed.body));
  return text !== null && documentSha256(text) === sha256 ? text : null;
}

async function bodyOf(ports: ControlPorts, repository: string, { key, owner }: Pick<Alleged, "key" | "owner">): Promise<string | { kind: string; body: unknown } | null> {
  const { db } = ports.catalog;
  const [noun, id = ""] = owner.split(":");
  if (noun === "backup") return { kind: MANIFEST_KIND, body: await getManifest(db, id) };
  if (noun === "segment") {
    const piece = await getPiece(db, id);
    return piece === null ? null : { kind: SEGMENT_KIND, body: piece.segment };
  }
  const report = await reportDocument(db, idIn(key));
  if (report !== null && verificationKey(idIn(key)) === key) return report;
  const body = await holdBody(ports, repository, key);
  return body === null ? null : { kind: HOLD_KIND, body };
}

async function holdBody(ports: ControlPorts, repository: string, key: string): Promise<HoldDocument | null> {
  const hold = (await listHolds(ports.catalog.db)).find(({ holdId }) => holdKey(holdId) === key);
  if (hold === undefined) return null;
  const { holdId, backupId, reason, by, at } = hold;
  return { formatVersion: 1, repositoryId: await repositoryIdOf(ports, repository), backupId, holdId, reason, by, at };
}

/** The last part of a key without its ending: what a document is looked up by, to be compared with its whole key then. */
function idIn(key: string): string {
  return (key.split("/").at(-1) ?? "").replace(/\..*$/, "");
}

function firstDifference(written: string, found: string): number {
  const [left, right] = [Buffer.from(written, "utf8"), Buffer.from(found, "utf8")];
  const shared = Math.min(left.byteLength, right.byteLength);
  for (let place = 0; place < shared; place += 1) if (left[place] !== right[place]) return place;
  return shared;
}

/** What a document that the catalog does not expect turns out to be. */
export type Stranger =
  /** Not signed by this installation, or in a place that is not its own. */
  | { readonly kind: "forged"; readonly detail: string }
  /** Signed, and of something that the catalog knows or that only documents tell: from now on it is expected. */
  | { readonly kind: "ours"; readonly text: string }
  | { readonly kind: "unknown"; readonly detail: string }
  | { readonly kind: "gone" };

/** Looks into a document that the catalog does not expect: was it written by this installation, for this place? */
export async function judgeStranger(ports: ControlPorts, repository: string, key: string): Promise<Stranger> {
  const text = await readIfThere(ports, repository, key);
  if (text === null) return { kind: "gone" };
  // Its content was looked at when the repository was opened.
  if (key === REPOSITORY_MARK_KEY) return { kind: "ours", text };
  const signed = readSigned(ports, key, jsonOrUndefined(text));
  if (signed === null) return { kind: "forged", detail: "this installation did not sign it as it is" };
  const place = documentPlace(signed);
  if (place === null) return { kind: "unknown", detail: `it is signed by this installation, as a ${signed.kind}, which this version does not know` };
  if (place.key !== key) return { kind: "forged", detail: `it is the document that belongs at ${place.key}` };
  if (place.repositoryId !== (await repositoryIdOf(ports, repository))) return { kind: "forged", detail: `it belongs to the repository ${place.repositoryId}` };
  if (await isKnown(ports.catalog.db, key)) return { kind: "ours", text };
  return { kind: "unknown", detail: "it is signed by this installation, but the catalog does not know it" };
}

/** Of holds and reports the catalog must know; of what is sealed under `_control/` the document is all there is. */
async function isKnown(db: CatalogDb, key: string): Promise<boolean> {
  if (!key.startsWith("_control/")) return false;
  if (key.startsWith("_control/verifications/")) return (await reportDocument(db, idIn(key))) !== null;
  if (!key.startsWith("_control/holds/")) return true;
  const hold = (await listHolds(db)).find(({ holdId }) => holdId === idIn(key));
  return hold !== undefined && (holdKey(hold.holdId) === key || hold.releasedAt !== null);
}
