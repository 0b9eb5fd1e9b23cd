import { HoldfastError } from "../lib/errors.ts";
import { verifySigned } from "../lib/signing.ts";
import { documentPlace, signedDocumentSchema } from "../model/document-place.ts";
import { type LogSegment, logSegmentSchema, SEGMENT_KIND } from "../model/manifest.ts";

/** The piece of log that a stored document describes. SIGNATURE_INVALID or FORMAT_INVALID unless it is signed with this key and belongs at this key. */
export function verifiedSegment(text: string, { key, publicKey }: { key: string; publicKey: string }): LogSegment {
  const envelope = signedDocumentSchema.safeParse(parseJson(text));
  if (!envelope.success) throw new HoldfastError("FORMAT_INVALID", `${key} is refused: it is not a signed document.`);
  const body = verifySigned<unknown>(envelope.data, { kind: SEGMENT_KIND, publicKey, name: key });
  const place = documentPlace({ kind: SEGMENT_KIND, body });
  if (place?.key !== key) throw new HoldfastError("FORMAT_INVALID", `${key} is refused: it belongs at ${place?.key ?? "no place that this version knows"}.`);
  return logSegmentSchema.parse(body);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
