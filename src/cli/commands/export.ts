import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";

export const exportCommand: Command = {
  name: "export",
  summary: "Print instances, policies, backups, chains, coverage, holds and reports as one JSON document that is the same wherever the catalog was made.",
  examples: ["holdfast export > catalog.json"],
  run: async (context) => {
    const exported = await (await context.client()).call(api.system.export, {}, context.signal);
    context.output.result(exported, JSON.stringify(exported, null, 2));
  },
};
