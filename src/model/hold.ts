import { z } from "zod";
import { holdSchema } from "./backup.ts";
import { idSchema, isoTimeSchema } from "./scalars.ts";

export const HOLD_KIND = "holdfast-hold-v1";
export const HOLD_RELEASE_KIND = "holdfast-hold-release-v1";

/** The signed `_control/holds/<id>.json`. */
export const holdDocumentSchema = holdSchema.extend({ formatVersion: z.literal(1), repositoryId: idSchema, backupId: idSchema });
export type HoldDocument = z.infer<typeof holdDocumentSchema>;

/** The signed `_control/holds/<id>.released.json`: objects are written once, so a hold ends by a second one. */
export const holdReleaseDocumentSchema = z.object({
  formatVersion: z.literal(1),
  repositoryId: idSchema,
  holdId: idSchema,
  by: z.string(),
  at: isoTimeSchema,
});
export type HoldReleaseDocument = z.infer<typeof holdReleaseDocumentSchema>;

export const holdReleaseKey = (holdId: string): string => `_control/holds/${holdId}.released.json`;

/** A hold with what it holds and, when it is over, who ended it. */
export const holdRecordSchema = holdSchema.extend({ backupId: idSchema, releasedAt: isoTimeSchema.nullable(), releasedBy: z.string().nullable() });
export type HoldRecord = z.infer<typeof holdRecordSchema>;
