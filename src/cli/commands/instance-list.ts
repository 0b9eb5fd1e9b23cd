import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { allPages } from "../pages.ts";
import { instanceTable } from "../summaries.ts";

export const instanceListCommand: Command = {
  name: "instance list",
  summary: "All instances, with how well each is protected.",
  run: async (context) => {
    const client = await context.client();
    const instances = await allPages("instances", (page) => client.call(api.instances.list, page, context.signal));
    context.output.result({ instances }, instanceTable(instances, context.nowMs(), context.columns));
  },
};
