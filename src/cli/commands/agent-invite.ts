import { api } from "../../model/api/index.ts";
import type { Command } from "../command.ts";
import { textOption } from "../options.ts";
import { secondsOf } from "./token-create.ts";

export const agentInviteCommand: Command = {
  name: "agent invite",
  summary: "Make a token with which one agent may join, once and soon.",
  options: [
    { flags: "--pools <names>", description: "pools that it will serve, with commas between them", default: "local" },
    { flags: "--name <name>", description: "the only name it may join under" },
    { flags: "--labels <labels>", description: "to be shown with it, like rack=7,site=berlin" },
    { flags: "--expires-in <duration>", description: "how soon it must join", default: "15m" },
  ],
  examples: ["holdfast agent invite --name db1 --pools berlin > join.token"],
  run: async (context, _args, options) => {
    const name = textOption(options["name"]);
    const pools = String(options["pools"]).split(",");
    const labels = Object.fromEntries((textOption(options["labels"]) ?? "").split(",").flatMap((label) => (label === "" ? [] : [[label.split("=")[0], label.split("=").slice(1).join("=")]]))) as Record<string, string>;
    const request = { pools, labels, expiresInS: secondsOf(String(options["expiresIn"])), ...(name === undefined ? {} : { name }) };
    const invitation = await (await context.client()).call(api.agents.invite, request, context.signal);
    const pin = invitation.serverFingerprint === null ? "" : ` --server-fingerprint ${invitation.serverFingerprint}`;
    context.output.note(`Valid once, until ${invitation.expiresAt}. On the agent's machine: holdfast agent join --config agent.yaml --server https://…${pin} --token-file join.token`);
    context.output.result(invitation, invitation.text);
  },
};
