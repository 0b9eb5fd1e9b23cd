import type { Command } from "../command.ts";
import { textOption } from "../options.ts";
import { counted } from "../text.ts";

export const recoverCommand: Command = {
  name: "recover",
  summary: "Bring a server that is gone back on this machine, from a repository, the signing key's fingerprint and an identity.",
  arguments: [{ name: "repository", description: "its directory, or a YAML file with its `kind` and `options`" }],
  options: [
    { flags: "--fingerprint <hex>", description: "of the signing key, as `holdfast status` printed it", required: true },
    { flags: "--identity <file>", description: "identity of one of `keys.recipients`: the daily one or the escrow", required: true },
    { flags: "--state-dir <directory>", description: "new or empty", default: "./holdfast-state" },
  ],
  examples: ["holdfast recover /mnt/backup --fingerprint 3f0c…9a --identity escrow.key --state-dir /var/lib/holdfast --config /etc/holdfast/holdfast.yaml"],
  run: async (context, { repository = "" }, options) => {
    const { signal, configPath } = context;
    const [fingerprint = "", identity = "", stateDir = ""] = ["fingerprint", "identity", "stateDir"].map((name) => textOption(options[name]));
    const recovered = await context.local.recover({ config: configPath, repository, fingerprint, identity, stateDir, signal });
    const counts = [counted(recovered.backups, "backup"), counted(recovered.segments, "log piece"), counted(recovered.verifications, "verification"), counted(recovered.holds, "hold")];
    const others = recovered.otherRepositories.length === 0 ? [] : [`not read: ${recovered.otherRepositories.join(", ")}; when they can be reached, run \`holdfast catalog rebuild\``];
    const lines = [
      `Recovered: ${counts.join(", ")}; keys and configuration as of ${recovered.stateAt}.`,
      ...recovered.refused.map((each) => `refused: ${each}`),
      ...recovered.missing.map((each) => `missing: ${each}`),
      ...others,
      `Holdfast is FROZEN: restores and verifications work, nothing is scheduled or deleted. Complete ${recovered.configPath}, look at \`holdfast status\` and \`holdfast doctor\`, then run \`holdfast thaw\`.`,
    ];
    context.output.result(recovered, lines.join("\n"));
  },
};
