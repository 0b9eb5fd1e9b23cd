import { hostname } from "node:os";
import { HoldfastError } from "../../lib/errors.ts";
import type { Command } from "../command.ts";
import { textOption } from "../options.ts";

export const agentJoinCommand: Command = {
  name: "agent join",
  summary: "Exchange a token of `agent invite` for an identity of this machine's agent.",
  options: [{ flags: "--name <name>", description: "how the server will call it; the host's name unless told" }],
  examples: ["holdfast agent join --config agent.yaml --server https://backup.example.com:7443 --server-fingerprint 5f3c…9a --token-file join.token --name db1"],
  run: async (context, _args, options) => {
    const { server, tokenFile, serverFingerprint: fingerprint } = context.way;
    if (server === undefined || tokenFile === undefined) throw new HoldfastError("USAGE", "`holdfast agent join` needs --server and --token-file.");
    const name = textOption(options["name"]) ?? hostname().toLowerCase();
    const joined = await context.local.agentJoin({ config: context.configPath, server, tokenFile, fingerprint, name });
    context.output.result(joined, `Joined as ${joined.name} (${joined.agentId}), serving ${joined.pools.join(", ")}. Start it with \`holdfast agent --config ${context.configPath}\`.`);
  },
};
