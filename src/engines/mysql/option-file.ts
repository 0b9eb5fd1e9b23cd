import { chown, open } from "node:fs/promises";
import type { RunAs } from "../../lib/process.ts";
import { quoteOption } from "./defaults-file.ts";

/** Options of one group of an option file; `true` writes the bare name. */
export type OptionGroup = Readonly<Record<string, string | true>>;

/** The text of a `my.cnf`, group by group. */
export function optionFileText(groups: Readonly<Record<string, OptionGroup>>): string {
  return Object.entries(groups)
    .map(([group, options]) => [`[${group}]`, ...Object.entries(options).map(([name, value]) => (value === true ? name : `${name}=${quoteOption(value)}`))].join("\n") + "\n")
    .join("\n");
}

/** Writes a new file of mode 0600 that belongs to `owner` (us when undefined): no moment in which others can read it. */
export async function writePrivateFile(path: string, text: string, owner: RunAs | undefined): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
  if (owner !== undefined) await chown(path, owner.uid, owner.gid);
}
