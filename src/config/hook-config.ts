import { isAbsolute } from "node:path";
import { z } from "zod";
import { asGroup, type Fault, type Raw, referenceFaults } from "./config-form.ts";
import { durationSchema } from "../lib/units.ts";
import { LOCAL_POOL } from "../model/instance.ts";
import { nameSchema } from "../model/scalars.ts";

const TIMEOUT_AT_MOST_MS = 24 * 3_600_000;

const commandSchema = z
  .array(z.string().refine((word) => !word.includes("\0"), "has a NUL in it, which no command line can hold"))
  .min(1)
  .superRefine(([program], context) => {
    if (program === undefined || isAbsolute(program)) return;
    context.addIssue({ code: "custom", path: [0], message: `is not an absolute path; write the program's whole path, for example /usr/local/bin/${program.split("/").at(-1) ?? ""}` });
  });

/** The hooks of a machine, in the same form in `up`'s configuration and in an agent's file: no server knows a command. */
export const hooksSchema = z
  .record(
    nameSchema,
    z.strictObject({
      command: commandSchema.describe("The program's absolute path, then its arguments, as they are: no shell reads them. No place for secrets."),
      timeout: durationSchema
        .refine((durationMs) => durationMs > 0 && durationMs <= TIMEOUT_AT_MOST_MS, "must be more than nothing and at most 24h")
        .prefault("5m")
        .describe("A hook that runs for longer is ended, with all that it started, and has failed."),
    }),
  )
  .default({})
  .describe("What this machine runs before and after backups, by the names that policies use. An order with another name is refused. Read at the start.");

export type HooksConfig = z.output<typeof hooksSchema>;

/** The hooks as an agent runs them. */
export function hookCommands(hooks: HooksConfig): ReadonlyMap<string, { readonly command: readonly string[]; readonly timeoutMs: number }> {
  return new Map(Object.entries(hooks).map(([name, { command, timeout }]) => [name, { command, timeoutMs: timeout }]));
}

/** Hooks of policies that stand for nothing here; agents of other pools have files of their own. */
export function policyHookFaults(raw: Raw): Fault[] {
  const known = Object.keys(asGroup(raw["hooks"]));
  const instances = Object.values(asGroup(raw["instances"])).map(asGroup);
  return Object.entries(asGroup(raw["policies"])).flatMap(([name, policy]) => {
    const served = instances.filter((instance) => instance["policy"] === name);
    if (served.length > 0 && served.every(({ pool = LOCAL_POOL }) => pool !== LOCAL_POOL)) return [];
    const lists = Object.entries(asGroup(asGroup(policy)["hooks"]));
    return lists.flatMap(([field, hooks]) => (Array.isArray(hooks) ? hooks : []).flatMap((hook: unknown, number) => referenceFaults(["policies", name, "hooks", field, String(number)], hook, { noun: "hook", known })));
  });
}
