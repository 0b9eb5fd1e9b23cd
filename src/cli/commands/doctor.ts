import { HoldfastError } from "../../lib/errors.ts";
import { api } from "../../model/api/index.ts";
import type { Diagnosis } from "../../model/api/system.ts";
import type { Command, CommandContext } from "../command.ts";
import { diagnosisLines } from "../diagnosis.ts";
import { probeAll } from "../probe-all.ts";
import { counted } from "../text.ts";

export const doctorCommand: Command = {
  name: "doctor",
  summary: "Try everything that a night's work will need: configuration, tools, keys, repositories, instances.",
  run: async (context) => {
    const here = context.isFar ? [] : await context.local.doctor({ config: context.configPath, signal: context.signal });
    // Without a good configuration there is no server to ask.
    const broken = here.some(({ subject, status }) => subject === "configuration" && status === "error");
    const diagnoses = [...here, ...(broken ? [] : await askServer(context))];
    const errors = diagnoses.filter(({ status }) => status === "error").length;
    const warnings = diagnoses.filter(({ status }) => status === "warning").length;
    const summary = `${counted(diagnoses.length, "check")}, ${counted(errors, "error")}, ${counted(warnings, "warning")}`;
    context.output.result({ diagnoses }, `${diagnosisLines(diagnoses)}\n${summary}`);
    if (errors > 0) throw new HoldfastError("REFUSED", `The doctor found ${counted(errors, "error")}.`, { hint: "Follow the remedies above, then run `holdfast doctor` again." });
  },
};

/** What the server says of an instance rests on its last probe; when today's failed, only that counts. */
async function askServer(context: CommandContext): Promise<Diagnosis[]> {
  const client = await context.client();
  const silent = await probeAll(context, client);
  const subjects = new Set(silent.map(({ subject }) => subject));
  const { diagnoses } = await client.call(api.system.doctor, {}, context.signal);
  return [...diagnoses.filter(({ subject }) => !subjects.has(subject)), ...silent];
}
