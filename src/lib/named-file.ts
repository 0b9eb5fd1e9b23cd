import { readFile } from "node:fs/promises";
import { HoldfastError } from "./errors.ts";

/** The text of a file that a configuration names; CONFIG_INVALID names field and path when it cannot be read. */
export async function readNamedFile(field: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new HoldfastError("CONFIG_INVALID", `${field}: ${path} cannot be read: ${(cause as Error).message}.`, { cause, hint: "Name a file that the user this runs as may read." });
  }
}
