import type { Command } from "../command.ts";
import { textOption } from "../options.ts";
import { counted } from "../text.ts";

export const catalogRebuildCommand: Command = {
  name: "catalog rebuild",
  summary: "Make the catalog anew from the manifests in the repositories. Not while `holdfast up` runs.",
  options: [{ flags: "--repository <name>", description: "only this repository" }],
  run: async (context, _args, options) => {
    const rebuilt = await context.local.catalogRebuild({ config: context.configPath, repository: textOption(options["repository"]), signal: context.signal });
    const counts = [counted(rebuilt.backups, "backup"), counted(rebuilt.segments, "log piece"), counted(rebuilt.verifications, "verification"), counted(rebuilt.holds, "hold")].join(", ");
    context.output.result(rebuilt, [`Rebuilt: ${counts}.`, ...rebuilt.refused.map((key) => `refused: ${key}`), ...rebuilt.missing.map((each) => `missing: ${each}`), "Holdfast is FROZEN: nothing is scheduled or deleted until `holdfast thaw`."].join("\n"));
  },
};
