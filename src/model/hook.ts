import { z } from "zod";
import { errorRecordSchema, nameSchema } from "./scalars.ts";

const HOOKS_AT_MOST = 16;

/** Names of hooks in the order in which they run. What a name stands for is known only to the machine that runs it. */
export const hookNamesSchema = z
  .array(nameSchema)
  .max(HOOKS_AT_MOST)
  .refine((names) => new Set(names).size === names.length, "has one name twice; each hook runs once");

/** A hook after a backup that did not go well. */
export const hookFailureSchema = z.object({ hook: nameSchema, error: errorRecordSchema });
export type HookFailure = z.infer<typeof hookFailureSchema>;

/** All that a hook is told, each as a variable of its environment. */
export const HOOK_VARIABLES = [
  "HOLDFAST_HOOK",
  "HOLDFAST_WHEN",
  "HOLDFAST_INSTANCE",
  "HOLDFAST_JOB_ID",
  "HOLDFAST_ATTEMPT_ID",
  "HOLDFAST_BACKUP_KIND",
  "HOLDFAST_STATUS",
  "HOLDFAST_ERROR",
] as const;
export type HookVariable = (typeof HOOK_VARIABLES)[number];
