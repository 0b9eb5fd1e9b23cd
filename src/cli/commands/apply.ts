import { resolve } from "node:path";
import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { table } from "../text.ts";

export const applyCommand: Command = {
  name: "apply",
  summary: "Check a configuration file and make it the current one.",
  arguments: [{ name: "file", description: "configuration; without it the one of --config", optional: true }],
  options: [{ flags: "--dry-run", description: "only say what would change" }],
  examples: ["holdfast apply --dry-run", "holdfast apply holdfast.yaml"],
  run: async (context, { file }, options) => {
    const path = file ?? context.configPath;
    const yaml = await context.local.readFile(path);
    const client = await context.client();
    const dryRun = options["dryRun"] === true;
    const { changes } = await client.call(api.system.apply, { yaml, sourceName: resolve(path), dryRun }, context.signal);
    const rows = changes.map((change) => [change.change, change.noun, change.name, change.detail]);
    const title = dryRun ? "This would change (nothing was changed):" : "Applied:";
    context.output.result({ dryRun, changes }, `${title}\n${table([{ title: "change" }, { title: "what" }, { title: "name" }, { title: "detail", shrink: true }], rows, context.columns)}`);
  },
};
