import { z } from "zod";
import { jobSchema } from "../job.ts";
import { restoreGoalSchema, restorePlanSchema, restoreTargetSchema } from "../restore.ts";
import { route } from "./route.ts";

const goal = {
  instance: z.string().min(1),
  goal: restoreGoalSchema,
  /** Accept a hole in the log: what lies in it and after it is lost or may not apply. */
  allowGap: z.boolean().default(false),
};

export const restoreRoutes = {
  plan: route({
    name: "restores.plan",
    method: "POST",
    path: "/v1/restores/plan",
    summary: "What a restore would do: chain, log, stop point, bytes and expected time. Changes nothing.",
    role: "viewer",
    input: z.object(goal),
    output: z.object({ plan: restorePlanSchema }),
  }),
  run: route({
    name: "restores.run",
    method: "POST",
    path: "/v1/restores",
    summary: "Restore; the plan is made anew and recorded with the job.",
    role: "operator",
    once: "answer",
    input: z.object({ ...goal, target: restoreTargetSchema }),
    output: z.object({ job: jobSchema, plan: restorePlanSchema }),
  }),
};
