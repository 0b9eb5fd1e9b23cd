import { link, open, unlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { HoldfastError } from "./errors.ts";
import { syncFolder } from "./folders.ts";

/**
 * Writes a new file that only its owner may read, and makes sure that it is on disk. In place from the start: a stick's file
 * system has no hard links, and no copy of a key may be left beside it. `what` names it, with its article.
 * Throws REFUSED when anything is there already: what a key file held would be lost for ever.
 */
export async function createPrivateFile(path: string, text: string, what: string): Promise<void> {
  const file = await open(path, "wx", 0o600).catch((cause: unknown) => {
    throw (cause as NodeJS.ErrnoException).code === "EEXIST"
      ? new HoldfastError("REFUSED", `${path} exists: ${what} is never overwritten.`, { cause, hint: "Name another file, or move the old one to a safe place." })
      : new HoldfastError("CONFIG_INVALID", `The file ${path} for ${what} cannot be written: ${(cause as Error).message}.`, { cause });
  });
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await syncFolder(dirname(path));
}

/** The same where a half-written file would be in the way of another try: whole or not at all, also after a power cut. False when anything is there already. */
export async function placePrivateFile(path: string, text: string): Promise<boolean> {
  const temporary = `${path}.new-${String(process.pid)}`;
  await writeFile(temporary, text, { mode: 0o600, flush: true });
  try {
    await link(temporary, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw cause;
  } finally {
    await unlink(temporary);
  }
  await syncFolder(dirname(path));
  return true;
}

/** The text of a secret file. Throws REFUSED when others than its owner can read or change it, and what `open` throws. `what` is its noun. */
export async function readPrivateFile(path: string, what: string): Promise<string> {
  const file = await open(path, "r");
  try {
    // Of the open file, not of the path: what is checked is what is read.
    const { mode } = await file.stat();
    if ((mode & 0o077) === 0) return await file.readFile("utf8");
    const shown = (mode & 0o777).toString(8).padStart(3, "0");
    throw new HoldfastError("REFUSED", `The ${what} file ${path} is open to others than its owner (mode ${shown}).`, { hint: `Run: chmod 600 ${path}` });
  } finally {
    await file.close();
  }
}
