import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { instanceTable } from "../summaries.ts";

export const instanceListCommand: Command = {
  name: "instance list",
  summary: "All instances, with how well each is protected.",
  run: async (context) => {
    const { instances } = await (await context.client()).call(api.instances.list, {}, context.signal);
    context.output.result({ instances }, instanceTable(instances, context.nowMs(), context.columns));
  },
};
