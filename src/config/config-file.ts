import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Config, parseConfig } from "./config.ts";
import { HoldfastError } from "../lib/errors.ts";

/** Reads a text file; CONFIG_INVALID says what is wrong with it in words for the person who named it. */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new HoldfastError("CONFIG_INVALID", `There is no file ${resolve(path)}.`, { cause, hint: "Write one (README.md shows one of twenty lines, docs/configuration.md explains every field), or name the one there is with --config or HOLDFAST_CONFIG." });
    if (code === "EACCES") throw new HoldfastError("CONFIG_INVALID", `This user may not read ${resolve(path)}.`, { cause, hint: "Run as the user that Holdfast runs as, or make the file readable for this one." });
    if (code === "EISDIR") throw new HoldfastError("CONFIG_INVALID", `${resolve(path)} is a directory, not a file.`, { cause, hint: "Name the file itself." });
    throw new HoldfastError("CONFIG_INVALID", `${resolve(path)} cannot be read: ${(cause as Error).message}.`, { cause });
  }
}

export async function loadConfig(path: string, env: Readonly<Record<string, string | undefined>>): Promise<Config> {
  return parseConfig(await readTextFile(path), path, env);
}
