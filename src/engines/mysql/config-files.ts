import { readdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

export interface ConfigFile {
  readonly path: string;
  readonly content: string;
}

/** Where MariaDB looks for option files when it is told nothing else. */
const STANDARD_FILES = ["/etc/my.cnf", "/etc/mysql/my.cnf"] as const;
const HIDDEN = "(hidden)";
/** Options whose values are secrets or lead to them. */
const SECRET_OPTION = /pass(?:word|wd)?|secret|token|filekey|auth/i;
/** A loop of includes would never end. */
const MAX_FILES = 200;

/** True for the name of an option or variable whose value must not be kept. */
export function isSecretOption(name: string): boolean {
  return SECRET_OPTION.test(name);
}

/**
 * The option files a server was started with, and all that they include, with secrets replaced. `commandLine` is the
 * running server's, empty when it cannot be read. Files that cannot be read are named to `omit`.
 */
export async function readConfigFiles(commandLine: readonly string[], omit: (sentence: string) => void): Promise<ConfigFile[]> {
  const files = new Map<string, string>();
  for (const path of startFiles(commandLine)) await readInto(files, path, omit);
  return [...files].map(([path, content]) => ({ path, content }));
}

/** `--defaults-file` replaces the standard places, `--defaults-extra-file` adds to them, `--no-defaults` leaves none. */
export function startFiles(commandLine: readonly string[]): string[] {
  const valueOf = (option: string): string[] => commandLine.filter((word) => word.startsWith(`--${option}=`)).map((word) => word.slice(option.length + 3));
  if (commandLine.includes("--no-defaults")) return [];
  const only = valueOf("defaults-file");
  return only.length > 0 ? only : [...STANDARD_FILES, ...valueOf("defaults-extra-file")];
}

async function readInto(files: Map<string, string>, path: string, omit: (sentence: string) => void): Promise<void> {
  if (files.has(path) || files.size >= MAX_FILES) return;
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") omit(`The option file ${path} could not be read (${code ?? "unknown"}).`);
    return;
  }
  files.set(path, redactOptions(text));
  for (const included of await includedFiles(text, dirname(path), omit)) await readInto(files, included, omit);
}

async function includedFiles(text: string, dir: string, omit: (sentence: string) => void): Promise<string[]> {
  const found: string[] = [];
  for (const [, kind, place] of text.matchAll(/^\s*!(include|includedir)\s+(.+?)\s*$/gm)) {
    const path = resolve(dir, place ?? "");
    if (kind === "include") found.push(path);
    else found.push(...(await optionFilesIn(path, omit)));
  }
  return found;
}

async function optionFilesIn(dir: string, omit: (sentence: string) => void): Promise<string[]> {
  try {
    return (await readdir(dir)).filter((name) => name.endsWith(".cnf")).sort().map((name) => join(dir, name));
  } catch (error) {
    omit(`The directory of option files ${dir} could not be read (${(error as NodeJS.ErrnoException).code ?? "unknown"}).`);
    return [];
  }
}

/** Replaces the value of every option that may be a secret; everything else stays byte for byte. */
export function redactOptions(text: string): string {
  return text
    .split("\n")
    .map((line) => {
      const option = /^(\s*#?\s*)([A-Za-z0-9_-]+)(\s*=\s*)\S/.exec(line);
      return option !== null && isSecretOption(option[2] ?? "") ? `${option[1] ?? ""}${option[2] ?? ""}${option[3] ?? ""}${HIDDEN}` : line;
    })
    .join("\n");
}

/** The running server's command line by its pid file; empty when it cannot be seen from here. */
export async function serverCommandLine(pidFile: string): Promise<string[]> {
  try {
    const pid = Number.parseInt(await readFile(pidFile, "utf8"), 10);
    return (await readFile(`/proc/${String(pid)}/cmdline`, "utf8")).split("\0").filter((word) => word !== "");
  } catch {
    return [];
  }
}
