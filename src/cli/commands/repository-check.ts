import { z } from "zod";
import { HoldfastError } from "../../lib/errors.ts";
import { formatBytes, rateSchema } from "../../lib/units.ts";
import { api } from "../../model/api/index.ts";
import { checkDepthSchema, type CheckResult, checkResultSchema } from "../../model/check.ts";
import type { Command } from "../command.ts";
import { textOption } from "../options.ts";
import { counted, printable } from "../text.ts";
import { watchJob } from "../watch-job.ts";

const percentSchema = z
  .string()
  .regex(/^\d{1,3}(\.\d{1,4})?%$/, "is not a share; write per cent, for example 5%")
  .transform((text) => Number(text.slice(0, -1)) / 100)
  .refine((share) => share > 0 && share <= 1, "must be more than 0% and at most 100%");

export const repositoryCheckCommand: Command = {
  name: "repository check",
  summary: "Compare what is stored with the catalog: whether it is there, its size, and what is in it. Goes on where a check of the same kind was cut short.",
  arguments: [{ name: "repository", description: "name" }],
  options: [
    { flags: "--depth <depth>", description: "`size` compares existence and size and reads nothing; `hash` reads the objects", choices: [...checkDepthSchema.options], default: "hash" },
    { flags: "--sample <share>", description: "read only this share of the objects, those that were not read for longest; for example 5%" },
    { flags: "--seed <text>", description: "chooses among objects that were not read for equally long; without it each sample is another" },
    { flags: "--rate <rate>", description: "read no faster than this, for example 50MiB/s; without it as fast as it goes" },
    { flags: "--fresh", description: "begin anew, also when a check was cut short" },
  ],
  examples: ["holdfast repository check main --rate 50MiB/s", "holdfast repository check main --sample 5%", "holdfast repository check main --depth size"],
  run: async (context, { repository = "" }, options) => {
    const request = requestFrom(options);
    const client = await context.client();
    const { job, continued } = await client.call(api.system.checkRepository, { repository, ...request }, context.signal);
    if (continued !== null) {
      context.output.note(`Goes on with the check of ${job.createdAt}: ${counted(continued.objects, "object")} (${formatBytes(continued.bytes)}) have been read. \`--fresh\` begins anew.`);
    }
    const ended = await watchJob(context, client, job);
    const result = checkResultSchema.parse(ended.result);
    context.output.result({ job: ended, ...result }, resultText(result));
    if (result.problems.length > 0) throw new HoldfastError("OBJECT_DAMAGED", `${repository} has ${counted(result.problems.length, "damaged or missing object")}.`, { hint: "Take a new full backup of the named instances now; restores pass over what is damaged, or refuse." });
  },
};

function requestFrom(options: Readonly<Record<string, unknown>>): { depth: "size" | "hash"; share?: number; seed?: string; rateBytesPerS?: number; fresh: boolean } {
  const depth = checkDepthSchema.parse(options["depth"] ?? "hash");
  const [share, seed, rate] = [parsed("--sample", percentSchema, options["sample"]), textOption(options["seed"]), parsed("--rate", rateSchema, options["rate"])];
  if (depth === "size" && (share !== undefined || rate !== undefined)) throw new HoldfastError("USAGE", "--sample and --rate say what is read and how fast; with --depth size nothing is read.");
  if (seed !== undefined && share === undefined) throw new HoldfastError("USAGE", "--seed chooses a sample; give --sample with it.");
  return { depth, fresh: options["fresh"] === true, ...(share === undefined ? {} : { share }), ...(seed === undefined ? {} : { seed }), ...(rate === undefined ? {} : { rateBytesPerS: rate }) };
}

function parsed<T>(flag: string, schema: z.ZodType<T>, value: unknown): T | undefined {
  const text = textOption(value);
  if (text === undefined) return undefined;
  const result = schema.safeParse(text);
  if (result.success) return result.data;
  throw new HoldfastError("USAGE", `${flag} is "${text}", which ${result.error.issues[0]?.message ?? "cannot be read"}.`);
}

/** Not a table: a key that is cut names nothing. */
function resultText(result: CheckResult): string {
  const problems = result.problems.map(({ problem, owner, key, detail }) => `${problem}: ${printable(key)}\n  of ${owner.replace(":", " ")}: ${printable(detail)}`);
  const unknown = result.unknown.map(({ key, sizeBytes, detail }) => `unknown: ${printable(key)}\n  ${formatBytes(sizeBytes)}, ${printable(detail)}`);
  return [...problems, ...unknown, ...summaryLines(result)].join("\n");
}

function summaryLines({ known, read, sample, depth, continued, problems, unknown }: CheckResult): string[] {
  const share = (part: number, whole: number): string => `${(whole === 0 ? 100 : (part / whole) * 100).toFixed(1)} %`;
  const looked = depth === "size" ? "nothing read" : `${counted(read.objects, "object")} read (${share(read.objects, known.objects)}), ${formatBytes(read.bytes)} (${share(read.bytes, known.bytes)})`;
  const seed = sample === null ? [] : [`sample of ${share(sample.share, 1)} with the seed ${sample.seed}`];
  const went = continued === null ? [] : [`went on behind ${counted(continued.objects, "object")} (${formatBytes(continued.bytes)}) that ${counted(continued.attempts, "earlier attempt")} had read`];
  const found = [counted(problems.length, "problem"), ...(unknown.length === 0 ? [] : [`${counted(unknown.length, "object")} that nobody knows`])];
  return [...seed, ...went, `${counted(known.objects, "object")} compared, ${formatBytes(known.bytes)}; ${looked}; ${found.join(", ")}`];
}
