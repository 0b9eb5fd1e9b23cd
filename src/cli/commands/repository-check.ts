import { z } from "zod";
import { HoldfastError } from "../../lib/errors.ts";
import { formatBytes } from "../../lib/units.ts";
import { api } from "../../model/api/index.ts";
import { checkFindingSchema } from "../../model/job.ts";
import type { Command } from "../command.ts";
import { counted, table } from "../text.ts";
import { watchJob } from "../watch-job.ts";

const resultSchema = z.object({ checkedObjects: z.number(), checkedBytes: z.number(), problems: z.array(checkFindingSchema) });

export const repositoryCheckCommand: Command = {
  name: "repository check",
  summary: "Read every stored object and compare size and hash with the catalog.",
  arguments: [{ name: "repository", description: "name" }],
  run: async (context, { repository = "" }) => {
    const client = await context.client();
    const { job } = await client.call(api.system.checkRepository, { repository, depth: "hash" }, context.signal);
    const ended = await watchJob(context, client, job);
    const result = resultSchema.parse(ended.result);
    const problems = table([{ title: "problem" }, { title: "of" }, { title: "object", shrink: true }, { title: "detail", shrink: true }], result.problems.map((each) => [each.problem, each.owner, each.key, each.detail]), context.columns);
    const summary = `${counted(result.checkedObjects, "object")}, ${formatBytes(result.checkedBytes)} read, ${counted(result.problems.length, "problem")}`;
    context.output.result({ job: ended, ...result }, result.problems.length === 0 ? summary : `${problems}\n${summary}`);
    if (result.problems.length > 0) throw new HoldfastError("OBJECT_DAMAGED", `${repository} has ${counted(result.problems.length, "damaged or missing object")}.`, { hint: "Take a new full backup of the named instances now; restore refuses what is damaged." });
  },
};
