import { HoldfastError } from "../../lib/errors.ts";
import type { Command } from "../command.ts";

export const demoCommand: Command = {
  name: "demo",
  summary: "Show the main job on a throwaway MariaDB: backup, loss, restore, proof.",
  options: [
    { flags: "--keep", description: "leave the directory with the repository, the keys and the restored data" },
    { flags: "--size-mb <number>", description: "size of the shop's table", default: "200" },
  ],
  examples: ["holdfast demo", "holdfast demo --keep --size-mb 50"],
  run: async (context, _args, options) => {
    const sizeMb = Number(options["sizeMb"]);
    if (!Number.isInteger(sizeMb) || sizeMb < 1) throw new HoldfastError("USAGE", `--size-mb is "${String(options["sizeMb"])}", which is not a whole number of at least 1.`);
    const keep = options["keep"] === true;
    const { rootDir } = await context.local.demo({ keep, sizeMb, signal: context.signal, output: context.output });
    context.output.result({ status: "passed", rootDir: keep ? rootDir : null }, keep ? `Everything is left in ${rootDir}; look around with: holdfast --config ${rootDir}/holdfast.yaml status` : "Nothing was left behind; `--keep` leaves it for a look.");
  },
};
