import { chown, lchown, readdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import type { RunAs } from "../../lib/process.ts";

/** Gives a directory with all that is in it to an account; links are given away themselves, never what they point at. */
export async function giveTree(dir: string, owner: RunAs | undefined): Promise<void> {
  if (owner === undefined) return;
  await chown(dir, owner.uid, owner.gid);
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) await giveTree(path, owner);
    else await lchown(path, owner.uid, owner.gid);
  }
}

/** All regular files below a directory, relative to it. */
export async function filesBelow(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(dir.length).replace(/^\/+/, ""));
}

/** Throws SANDBOX_FAILED when an account cannot pass through the directories above `dir`: its tools would fail with less clear words. */
export async function requireReachable(dir: string, account: RunAs | undefined): Promise<void> {
  if (account === undefined) return;
  for (let parent = dirname(resolve(dir)); ; parent = dirname(parent)) {
    const { mode, uid, gid } = await stat(parent);
    const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) {
      throw new HoldfastError("SANDBOX_FAILED", `The account ${account.user} cannot pass through ${parent}, so it cannot work in ${dir}.`, {
        hint: `Run: chmod o+x ${parent} (passing through does not allow to list it), or give the agent another scratch directory.`,
      });
    }
    if (parent === dirname(parent)) return;
  }
}
