import { z } from "zod";
import { isoTimeSchema } from "./scalars.ts";

/** Why nothing is scheduled and nothing deleted: the catalog was made from a repository and nobody has looked yet. */
export const frozenSchema = z.object({ why: z.enum(["rebuilt", "recovered"]), at: isoTimeSchema });
export type Frozen = z.infer<typeof frozenSchema>;
