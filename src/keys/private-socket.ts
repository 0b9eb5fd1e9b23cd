import { chmod, chown, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { dirname, join } from "node:path";
import { HoldfastError } from "../lib/errors.ts";

/**
 * Listens on a Unix socket that its owner, or a group, may open: it is made and closed off in a directory of its own
 * and takes its place only then, also where the socket of a process that died lies.
 */
export async function listenPrivately(server: Server, { path, group }: { path: string; group: string | undefined }): Promise<void> {
  const gid = group === undefined ? null : await gidOf(group);
  const dir = await mkdtemp(join(dirname(path), ".keys-")).catch((cause: unknown) => {
    throw new HoldfastError("CONFIG_INVALID", `socket.path: the socket ${path} cannot be made: ${(cause as Error).message}.`, { cause, hint: "Name a place in a directory that this user may write to." });
  });
  try {
    const made = join(dir, "s");
    await new Promise<void>((listening, failed) => {
      server.once("error", failed);
      server.listen(made, listening);
    });
    if (gid !== null) await chown(made, -1, gid).catch((cause: unknown) => refuseGroup(path, String(group), cause));
    await chmod(made, gid === null ? 0o600 : 0o660);
    await rename(made, path);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function refuseGroup(path: string, group: string, cause: unknown): never {
  throw new HoldfastError("CONFIG_INVALID", `socket.group: ${path} cannot be given to the group ${JSON.stringify(group)}: ${(cause as Error).message}.`, { cause, hint: "Make the keyholder's user a member of that group." });
}

async function gidOf(group: string): Promise<number> {
  const line = (await readFile("/etc/group", "utf8")).split("\n").map((text) => text.split(":")).find(([name]) => name === group);
  const gid = Number(line?.[2]);
  if (line !== undefined && Number.isInteger(gid)) return gid;
  throw new HoldfastError("CONFIG_INVALID", `socket.group: there is no group ${JSON.stringify(group)} on this machine.`, { hint: `Create it, for example: groupadd --system ${group}` });
}
