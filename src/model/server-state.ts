import { z } from "zod";
import { instanceSchema } from "./instance.ts";
import { idSchema, isoTimeSchema, nameSchema } from "./scalars.ts";

export const SERVER_STATE_KIND = "holdfast-server-state-v1";
export const POLICY_VERSION_KIND = "holdfast-policy-version-v1";

/**
 * What both documents have in the clear. `sealed` is a standard age file in base64: without Holdfast it opens with
 * `jq -r .body.sealed <file> | base64 -d | age -d -i key.txt`.
 */
const sealedDocumentSchema = z.object({
  formatVersion: z.literal(1),
  repositoryId: idSchema,
  documentId: idSchema,
  at: isoTimeSchema,
  recipients: z.array(z.string()).min(1),
  sealed: z.base64(),
});

/** The signed `_control/state/<id>.json`; the newest id counts. */
export const serverStateDocumentSchema = sealedDocumentSchema;
export type ServerStateDocument = z.infer<typeof serverStateDocumentSchema>;

/** The signed `_control/policies/<id>.json`, one for each version; sealed, because assertions name tables. */
export const policyVersionDocumentSchema = sealedDocumentSchema.extend({ name: nameSchema, version: z.number().int().positive() });
export type PolicyVersionDocument = z.infer<typeof policyVersionDocumentSchema>;

/** What a server needs to come back on another machine; sealed to the installation's recipients. */
export const serverStateSchema = z.object({
  formatVersion: z.literal(1),
  /** How the configuration calls the repository that this lies in. */
  repositoryName: nameSchema,
  /** Private key as PKCS#8 PEM. */
  signingKey: z.string(),
  /** The server's own age identity, which opens indexes. */
  metadataIdentity: z.string(),
  /** The configuration as it was written, paths made absolute, without its secrets. */
  configuration: z.record(z.string(), z.unknown()),
  /** Every instance that ever was, in order of id. */
  instances: z.array(instanceSchema),
});
export type ServerState = z.infer<typeof serverStateSchema>;

export const SERVER_STATE_PREFIX = "_control/state/";
export const POLICY_VERSION_PREFIX = "_control/policies/";
export const serverStateKey = (documentId: string): string => `${SERVER_STATE_PREFIX}${documentId}.json`;
export const policyVersionKey = (documentId: string): string => `${POLICY_VERSION_PREFIX}${documentId}.json`;
