import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { probeText } from "../probe-text.ts";
import { instanceTable } from "../summaries.ts";

export const instanceShowCommand: Command = {
  name: "instance show",
  summary: "One instance with its last probe.",
  arguments: [{ name: "instance", description: "name or id" }],
  run: async (context, { instance = "" }) => {
    const shown = await (await context.client()).call(api.instances.show, { instance }, context.signal);
    const probe = shown.probe === null ? `It was never probed; run \`holdfast instance probe ${instance}\`.` : probeText(shown.probe, context.columns);
    context.output.result(shown, `${instanceTable([shown.instance], context.nowMs(), context.columns)}\n\n${probe}`);
  },
};
