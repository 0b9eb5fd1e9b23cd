import { constants, type Dirent } from "node:fs";
import { access, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";

/** What mariadb-backup copies: tables of all built-in engines, system tablespaces and Aria's log, but no binary log and no redo. */
const COPIED = /\.(?:ibd|frm|par|MYD|MYI|MAD|MAI|TRG|TRN|CSV|CSM|ARZ|ARM|MRG|isl|opt)$|^(?:ibdata\d+|undo\d+|aria_log.*)$/;

/** Throws DATABASE_UNSUITABLE unless this process can read and enter the server's data directory. */
export async function requireReadable(dataDirectory: string): Promise<void> {
  const why = await whyUnreadable(dataDirectory);
  if (why === null) return;
  throw new HoldfastError("DATABASE_UNSUITABLE", `The server's data directory ${dataDirectory} cannot be read from here (${why}), so it cannot be copied.`, {
    hint: "Run Holdfast on the server's machine as a user that can read the data directory, or set connection.dataDirectory to where it lies.",
  });
}

/** The system's error code when the directory cannot be read and entered; null when it can. */
export async function whyUnreadable(dataDirectory: string): Promise<string | null> {
  try {
    await access(dataDirectory, constants.R_OK | constants.X_OK);
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unknown";
  }
}

/** Sum of the sizes of the files that a full backup would copy, in bytes: an estimate for progress. Null when the directory cannot be read. */
export async function copiedBytes(dataDirectory: string): Promise<number | null> {
  try {
    const top = await readdir(dataDirectory, { withFileTypes: true });
    let total = await sizeOf(dataDirectory, top);
    for (const entry of top) {
      if (!entry.isDirectory()) continue;
      const dir = join(dataDirectory, entry.name);
      // A schema may be dropped while we look.
      total += await sizeOf(dir, await readdir(dir, { withFileTypes: true }).catch(() => []));
    }
    return total;
  } catch {
    return null;
  }
}

async function sizeOf(dir: string, entries: readonly Dirent[]): Promise<number> {
  let total = 0;
  for (const entry of entries) {
    if (entry.isFile() && COPIED.test(entry.name)) total += await stat(join(dir, entry.name)).then((found) => found.size, () => 0);
  }
  return total;
}
