import { HoldfastError } from "../lib/errors.ts";
import { documentPlace } from "../model/document-place.ts";
import { type LogSegment, logSegmentSchema, SEGMENT_KIND } from "../model/manifest.ts";
import { verifiedDocument } from "./verified-document.ts";

/** The piece of log that a stored document describes. SIGNATURE_INVALID or FORMAT_INVALID unless it is signed with this key and belongs at this key. */
export function verifiedSegment(text: string, at: { key: string; publicKey: string }): LogSegment {
  const { body } = verifiedDocument(text, { ...at, kind: SEGMENT_KIND });
  const place = documentPlace({ kind: SEGMENT_KIND, body });
  if (place?.key !== at.key) throw new HoldfastError("FORMAT_INVALID", `${at.key} is refused: it belongs at ${place?.key ?? "no place that this version knows"}.`);
  return logSegmentSchema.parse(body);
}
