import { z } from "zod";
import { checkDepthSchema, sampleSchema } from "./check.ts";
import { backupKindSchema } from "./manifest.ts";
import { tierSchema } from "./policy.ts";
import { restoreGoalSchema, restorePlanSchema, restoreTargetSchema } from "./restore.ts";
import { idSchema, nameSchema } from "./scalars.ts";

/** What a job was asked to do, as the catalog keeps it; the order of each attempt is made from it. */
export const jobParamsSchema = z.discriminatedUnion("kind", [
  /** `auto`: an incremental when there is something to build on, else a full; decided when the order is made. */
  z.object({ kind: z.literal("backup"), backupKind: z.union([backupKindSchema, z.literal("auto")]) }),
  z.object({ kind: z.literal("ship") }),
  z.object({ kind: z.literal("restore"), goal: restoreGoalSchema, allowGap: z.boolean(), target: restoreTargetSchema, plan: restorePlanSchema }),
  z.object({ kind: z.literal("verify"), backupId: idSchema, tier: tierSchema }),
  z.object({ kind: z.literal("probe") }),
  z.object({ kind: z.literal("check"), repository: nameSchema, depth: checkDepthSchema, sample: sampleSchema.nullable().default(null), rateBytesPerS: z.number().int().positive().nullable().default(null) }),
  /** `parentId`: what the new backup builds on. `then`: those that build on it, to be resealed after it, in order. */
  z.object({ kind: z.literal("reseal"), backupId: idSchema, parentId: idSchema.nullable(), then: z.array(idSchema) }),
]);
export type JobParams = z.infer<typeof jobParamsSchema>;
