import { z } from "zod";
import { findQuestionSchema, foundChangeSchema } from "../find-changes.ts";
import { timeZoneSchema } from "../scalars.ts";
import { route } from "./route.ts";

const MOST = 1_000;

export const findRoutes = {
  find: route({
    name: "finds.find",
    method: "POST",
    path: "/v1/finds",
    summary: "Who dropped, truncated or emptied a table, and when, by the stored lists of transactions. Changes nothing.",
    role: "operator",
    input: findQuestionSchema.extend({ instance: z.string().min(1).describe("Name or id."), limit: z.number().int().min(1).max(MOST).default(100) }),
    output: z.object({
      /** In log order. */
      changes: z.array(foundChangeSchema),
      searchedGroups: z.number().int(),
      notes: z.array(z.string()),
      timeZone: timeZoneSchema,
    }),
  }),
};
