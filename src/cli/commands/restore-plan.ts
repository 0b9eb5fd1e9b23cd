import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { planText } from "../plan-text.ts";
import { GOAL_OPTIONS, goalFrom } from "../restore-options.ts";

export const restorePlanCommand: Command = {
  name: "restore plan",
  summary: "Show what a restore would use, where it would stop and how long it would take. Changes nothing.",
  arguments: [{ name: "instance", description: "name or id" }],
  options: GOAL_OPTIONS,
  examples: ['holdfast restore plan shop --to "2026-11-21 14:02:59"', "holdfast restore plan shop --gtid 0-1-4711"],
  run: async (context, { instance = "" }, options) => {
    const request = goalFrom(options);
    const client = await context.client();
    const goal = await request(context, client, instance);
    const { plan } = await client.call(api.restores.plan, { instance, goal, allowGap: options["allowGap"] === true }, context.signal);
    const { instance: found } = await client.call(api.instances.show, { instance }, context.signal);
    context.output.result({ plan }, planText(plan, found.timeZone, context.columns));
  },
};
