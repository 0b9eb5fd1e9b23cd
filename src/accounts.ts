import { readFile } from "node:fs/promises";
import { sandboxAccount } from "./engines/mysql/sandbox-account.ts";
import { HoldfastError } from "./lib/errors.ts";
import type { RunAs } from "./lib/process.ts";

/**
 * The account under which throwaway servers run: the configured one, or the first unprivileged one that the machine
 * has. Only root can choose; others run them as themselves. CONFIG_INVALID for an account that does not exist or is root.
 */
export async function sandboxUserFrom(name: string | undefined): Promise<RunAs | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  if (name === undefined) return sandboxAccount();
  const line = (await readFile("/etc/passwd", "utf8")).split("\n").map((text) => text.split(":")).find(([user]) => user === name);
  const [uid, gid] = [Number(line?.[2]), Number(line?.[3])];
  if (line === undefined) throw new HoldfastError("CONFIG_INVALID", `agent.sandboxUser: there is no account ${JSON.stringify(name)} on this machine.`, { hint: `Create it, for example: useradd --system --no-create-home ${name}` });
  if (uid === 0) throw new HoldfastError("CONFIG_INVALID", `agent.sandboxUser: ${JSON.stringify(name)} is an account with root's rights.`, { hint: "Name an account without rights." });
  return { user: name, uid, gid };
}
