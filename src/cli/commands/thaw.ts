import { userInfo } from "node:os";
import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";

export const thawCommand: Command = {
  name: "thaw",
  summary: "End the freeze after `recover` or `catalog rebuild`: schedules run again. Make sure that no other server works on these repositories.",
  run: async (context) => {
    const { was } = await (await context.client()).call(api.system.thaw, { by: userInfo().username }, context.signal);
    const text = was === null ? "It was not frozen." : `Thawed: it was frozen since its catalog was ${was.why} at ${was.at}. Schedules run again.`;
    context.output.result({ was }, text);
  },
};
