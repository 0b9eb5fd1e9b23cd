import { z } from "zod";
import { HOLD_KIND, HOLD_RELEASE_KIND, holdDocumentSchema, holdReleaseDocumentSchema, holdReleaseKey } from "./hold.ts";
import { holdKey, logSegmentSchema, MANIFEST_KIND, manifestKey, manifestSchema, SEGMENT_KIND, segmentKey, verificationKey } from "./manifest.ts";
import { POLICY_VERSION_KIND, policyVersionDocumentSchema, policyVersionKey, SERVER_STATE_KIND, serverStateDocumentSchema, serverStateKey } from "./server-state.ts";
import { signedSchema } from "./signed.ts";
import { VERIFICATION_KIND, verificationReportSchema } from "./verification.ts";

/** Any signed document, before anybody has looked at its signature. */
export const signedDocumentSchema = signedSchema(z.unknown());

export interface DocumentPlace {
  /** The one key at which this document may lie. */
  readonly key: string;
  readonly repositoryId: string;
}

type PlaceOf = (body: unknown) => DocumentPlace | null;

function placed<T extends { repositoryId: string }>(schema: z.ZodType<T>, keyOf: (body: T) => string): PlaceOf {
  return (body) => {
    const parsed = schema.safeParse(body);
    return parsed.success ? { key: keyOf(parsed.data), repositoryId: parsed.data.repositoryId } : null;
  };
}

const PLACES: Readonly<Record<string, PlaceOf>> = {
  [MANIFEST_KIND]: placed(manifestSchema, ({ instance, backupId }) => manifestKey(instance.id, backupId)),
  [SEGMENT_KIND]: placed(logSegmentSchema, ({ instanceId, timeline, segmentId }) => segmentKey(instanceId, timeline, segmentId)),
  [VERIFICATION_KIND]: placed(verificationReportSchema, ({ verificationId }) => verificationKey(verificationId)),
  [HOLD_KIND]: placed(holdDocumentSchema, ({ holdId }) => holdKey(holdId)),
  [HOLD_RELEASE_KIND]: placed(holdReleaseDocumentSchema, ({ holdId }) => holdReleaseKey(holdId)),
  [SERVER_STATE_KIND]: placed(serverStateDocumentSchema, ({ documentId }) => serverStateKey(documentId)),
  [POLICY_VERSION_KIND]: placed(policyVersionDocumentSchema, ({ documentId }) => policyVersionKey(documentId)),
};

/** Where a signed document belongs; null when it is of a kind or a form that this version does not know. */
export function documentPlace(document: { readonly kind: string; readonly body?: unknown }): DocumentPlace | null {
  return PLACES[document.kind]?.(document.body) ?? null;
}
