import { z } from "zod";
import { idSchema, isoTimeSchema, nameSchema } from "./scalars.ts";

export const poolsSchema = z.array(nameSchema).min(1).max(64);
export const labelsSchema = z.record(nameSchema, z.string().max(200));

/** A worker on another machine, with an identity of its own. */
export const agentSchema = z.object({
  agentId: idSchema,
  name: nameSchema,
  /** Instances of these pools are its to serve. */
  pools: poolsSchema,
  /** Shown, not yet used. */
  labels: labelsSchema,
  joinedAt: isoTimeSchema,
  /** Within a minute; null when it never called. */
  lastSeenAt: isoTimeSchema.nullable(),
  /** Since when it gets no new work; null: it does. */
  drainedAt: isoTimeSchema.nullable(),
  revokedAt: isoTimeSchema.nullable(),
});
export type Agent = z.infer<typeof agentSchema>;
