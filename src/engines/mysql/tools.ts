import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import { runTool } from "../../lib/process.ts";
import { parseVersion, toolMatchesServer, type Version } from "./versions.ts";

/** The programs this engine uses and the Debian package that brings each. */
const PACKAGES = {
  "mariadb-backup": "mariadb-backup",
  mbstream: "mariadb-backup",
  mariadb: "mariadb-client-core",
  "mariadb-binlog": "mariadb-client",
  "mariadb-dump": "mariadb-client",
  mariadbd: "mariadb-server-core",
  "mariadb-install-db": "mariadb-server-core",
} as const;
export type ToolName = keyof typeof PACKAGES;
export const TOOL_NAMES = Object.keys(PACKAGES) as readonly ToolName[];

/** Programs that do not print MariaDB's version when asked for theirs. */
const WITHOUT_VERSION: ReadonlySet<ToolName> = new Set(["mbstream", "mariadb-install-db"]);

export interface FoundTool {
  readonly name: ToolName;
  /** Absolute path. */
  readonly file: string;
  /** Null when the program does not tell MariaDB's version. */
  readonly version: Version | null;
}

/** Servers' programs are not on every account's PATH. */
function searchPath(path: string): string[] {
  return [...new Set([...path.split(":").filter((dir) => dir.startsWith("/")), "/usr/sbin", "/usr/local/sbin"])];
}

async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Absolute path of a program; TOOL_MISSING names the Debian package that brings it. */
export async function toolFile(name: ToolName, path = process.env["PATH"] ?? ""): Promise<string> {
  for (const dir of searchPath(path)) {
    const file = join(dir, name);
    if (await isExecutable(file)) return file;
  }
  throw new HoldfastError("TOOL_MISSING", `The program ${name} was not found on this machine.`, {
    hint: `Install it, for example with: apt-get install ${PACKAGES[name]}`,
    details: { tool: name, package: PACKAGES[name] },
  });
}

/** Finds a program and asks it for its version. TOOL_MISSING, or TOOL_FAILED when it cannot even say its version. */
export async function findTool(name: ToolName, path?: string): Promise<FoundTool> {
  const file = await toolFile(name, path);
  if (WITHOUT_VERSION.has(name)) return { name, file, version: null };
  const { stdout, stderrTail } = await runTool({ file, args: ["--version"] });
  return { name, file, version: mariadbVersion(`${stdout}\n${stderrTail}`) };
}

/** `mariadb-binlog Ver 3.5` tells the program's own number, which is no MariaDB version. */
function mariadbVersion(text: string): Version | null {
  return /\d+\.\d+\.\d+-MariaDB/i.test(text) ? parseVersion(text) : null;
}

/** Throws TOOL_VERSION, naming both versions, unless the physical tool fits the server. */
export function requireMatch(tool: FoundTool, server: Version): void {
  if (tool.version !== null && toolMatchesServer(tool.version, server)) return;
  const found = tool.version === null ? "of unknown version" : `${tool.version.flavour} ${tool.version.text}`;
  throw new HoldfastError("TOOL_VERSION", `${tool.name} (${found}) does not fit the server (${server.flavour} ${server.text}): it must be of the ${server.series} series and not older than the server.`, {
    hint: `Install ${PACKAGES[tool.name]} ${server.text} or a later ${server.series} release.`,
    details: { tool: tool.name, toolVersion: tool.version?.text ?? null, serverVersion: server.text },
  });
}

/** Every program with its version, `missing` where it is not there; programs without a version of their own say `installed`. */
export async function toolVersions(): Promise<Record<string, string>> {
  const found = await Promise.all(
    TOOL_NAMES.map(async (name): Promise<[string, string]> => {
      const tool = await findTool(name).catch(() => null);
      return [name, tool === null ? "missing" : (tool.version?.text ?? "installed")];
    }),
  );
  return Object.fromEntries(found);
}

/** The options an exact build knows, from its own --help: mariadb-backup silently ignores what it does not know. */
export async function knownOptions(tool: FoundTool): Promise<ReadonlySet<string>> {
  // --no-defaults keeps the machine's own option files from being read, and from failing the call.
  const { stdout, stderrTail } = await runTool({ file: tool.file, args: ["--no-defaults", "--help"] });
  const text = `${stdout}\n${stderrTail}`;
  return new Set([...text.matchAll(/--([a-z][a-z0-9-]*)/g)].map((match) => match[1] ?? ""));
}

/** Throws TOOL_VERSION when a build does not know one of the options that would be passed to it. */
export function requireOptions(tool: FoundTool, known: ReadonlySet<string>, args: readonly string[]): void {
  const unknown = args.map((arg) => /^--([a-z0-9-]+)/.exec(arg)?.[1]).filter((option) => option !== undefined && !known.has(option) && !ALWAYS_KNOWN.has(option));
  if (unknown.length === 0) return;
  throw new HoldfastError("TOOL_VERSION", `${tool.name} ${tool.version?.text ?? ""} does not know the option --${unknown.join(", --")}, and would ignore it without a word.`, {
    hint: `Install a ${tool.name} that knows it.`,
  });
}

/** Read by the option-file code before anything else, so not every help text lists them. */
const ALWAYS_KNOWN: ReadonlySet<string> = new Set(["defaults-file", "no-defaults", "defaults-extra-file"]);
