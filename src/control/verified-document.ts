import { HoldfastError } from "../lib/errors.ts";
import { jsonOrUndefined } from "../lib/json-or-undefined.ts";
import { verifySigned } from "../lib/signing.ts";
import { signedDocumentSchema } from "../model/document-place.ts";

/** What was stored under `key`, signed with this public key. FORMAT_INVALID when it is no signed document, SIGNATURE_INVALID when the signature does not hold or `kind` is another. */
export function verifiedDocument(text: string, { key, publicKey, kind }: { key: string; publicKey: string; kind?: string }): { kind: string; body: unknown } {
  const parsed = jsonOrUndefined(text);
  if (parsed === undefined) throw new HoldfastError("FORMAT_INVALID", `${key} is refused: it is not JSON.`);
  const envelope = signedDocumentSchema.safeParse(parsed);
  if (!envelope.success) throw new HoldfastError("FORMAT_INVALID", `${key} is refused: it is not a signed document.`);
  const signed = { ...envelope.data, body: envelope.data.body ?? null };
  return { kind: signed.kind, body: verifySigned<unknown>(signed, { kind: kind ?? signed.kind, publicKey, name: key }) };
}
