import { chmod, chown, copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "../../lib/process.ts";
import { type RunningProgram, startProgram } from "../start-program.ts";

/** One party of the demo: a user of its own with a directory that nobody else may enter. */
export interface Host {
  readonly name: string;
  readonly uid: number;
  /** Groups besides its own, which has the user's number. */
  readonly groups: readonly number[];
  readonly dir: string;
  /** Written before the program when it is started: the way into the namespaces of this host. */
  readonly into?: readonly string[];
}

export async function makeHost({ name, uid, groups = [], dir }: Omit<Host, "groups" | "into"> & { groups?: readonly number[] }): Promise<Host> {
  await mkdir(dir, { mode: 0o700 });
  await chown(dir, uid, uid);
  return { name, uid, groups, dir };
}

/** A file of the host's own that nobody else may read. */
export async function give(host: Host, name: string, text: string): Promise<string> {
  const path = join(host.dir, name);
  await writeFile(path, text, { mode: 0o600 });
  await chown(path, host.uid, host.uid);
  return path;
}

export async function giveFile(host: Host, name: string, from: string): Promise<string> {
  const path = join(host.dir, name);
  await copyFile(from, path);
  await chmod(path, 0o600);
  await chown(path, host.uid, host.uid);
  return path;
}

/** The command line that runs a program as the host's user, bound to the life of whoever starts it. */
function asUser({ uid, groups, into = [] }: Host, program: readonly string[]): readonly [string, ...string[]] {
  const who = [`--reuid=${String(uid)}`, `--regid=${String(uid)}`, groups.length === 0 ? "--clear-groups" : `--groups=${groups.join(",")}`];
  // What a group shares it may write to; others have nothing.
  const [first = "setpriv", ...rest] = [...into, "setpriv", ...who, "--pdeathsig", "KILL", "--", "sh", "-c", 'umask 007; exec "$@"', "sh", ...program];
  return [first, ...rest];
}

export interface Started {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a program and leaves it running. */
export function start(host: Host, { args, env = {} }: Started): RunningProgram {
  const [file, ...rest] = asUser(host, args);
  return startProgram(host.name, { file, args: rest, cwd: "/", env, stdout: "ignore" });
}

/** Runs a program to its end and gives what it printed. */
export async function run(host: Host, { args, env = {} }: Started): Promise<string> {
  const [file, ...rest] = asUser(host, args);
  return (await runTool({ file, args: rest, cwd: "/", env })).stdout;
}
