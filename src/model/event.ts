import { z } from "zod";
import { idSchema } from "./scalars.ts";

/** What can be followed: a job that was made or went on, a finding that was opened or closed. */
export const eventKindSchema = z.enum(["job", "finding"]);
export type EventKind = z.infer<typeof eventKindSchema>;

/** Which events a caller wants to hear of. */
export const eventFilterSchema = z.object({
  kinds: z
    .string()
    .regex(/^(job|finding)(,(job|finding))*$/, "is not a list of job and finding, joined by commas")
    .optional()
    .describe("`job`, `finding` or both, joined by a comma; both unless told."),
  jobId: idSchema.optional().describe("Only this job, and its progress as well."),
});
export type EventFilter = z.infer<typeof eventFilterSchema>;
