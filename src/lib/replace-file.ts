import { rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { syncFolder } from "./folders.ts";

/** Puts a small file that only its owner may read in the place of the one before: one of the two is there whole at every instant, also after a power cut. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const next = `${path}.new`;
  await writeFile(next, text, { mode: 0o600, flush: true });
  await rename(next, path);
  await syncFolder(dirname(path));
}
