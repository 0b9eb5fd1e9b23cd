import { lstat, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { OUTSIDE_FILE } from "../jobs/outside.ts";
import { asHoldfastError } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import { mayRetry, retry } from "../lib/retry.ts";

/**
 * One directory per attempt, removed at its end. `owner.json` says which process works in it, so that what a killed
 * process left behind can be told from what a living one needs. Names are short: Unix sockets will lie below.
 *   <root>/<last ten characters of the attempt's id>/owner.json
 *                                                    w/          the attempt's own empty directory
 */
const ownerSchema = z.object({ pid: z.number().int(), processStart: z.string(), attemptId: z.string(), agent: z.string() });
type Owner = z.infer<typeof ownerSchema>;

export interface Scratch {
  readonly dir: string;
  remove(): Promise<void>;
}

/** Makes the empty directory of an attempt. Others may pass through it, but not list it: throwaway servers run as another user. */
export async function makeScratch(root: string, attempt: { attemptId: string; agent: string }): Promise<Scratch> {
  const home = join(root, attempt.attemptId.slice(-10));
  const dir = join(home, "w");
  await mkdir(root, { recursive: true, mode: 0o711 });
  const owner: Owner = { pid: process.pid, processStart: await processStart(process.pid), ...attempt };
  await mkdir(home, { mode: 0o711 });
  try {
    await writeFile(join(home, "owner.json"), JSON.stringify(owner), { mode: 0o600 });
    await mkdir(dir, { mode: 0o711 });
  } catch (error) {
    // Without an owner it would be nobody's until the next start.
    await removeTree(home, PATIENT).catch(() => undefined);
    throw error;
  }
  return {
    dir,
    remove: async () => {
      await removeOutside(home, attempt.attemptId);
      await removeTree(home, PATIENT);
    },
  };
}

/** What an attempt left outside goes before the list of it. After a good end nothing of it is there. */
async function removeOutside(home: string, attemptId: string): Promise<void> {
  const paths = await retry(() => outsideOf(home, attemptId), READING);
  for (const path of paths) await removeTree(path, PATIENT);
}

/**
 * Removes what dead processes left and gives the paths that are gone; each is logged with the attempt it belonged to.
 * Unfinished things outside the scratch space go first: once the list of them is gone, nobody knows of them any more.
 */
export async function removeLeftovers(root: string, log: Log): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await namesIn(root)) {
    const home = join(root, name);
    const owner = await readOwner(home);
    if (owner !== null && (await isAlive(owner))) continue;
    for (const path of owner === null ? [] : await outsideOf(home, owner.attemptId)) {
      await removeTree(path);
      removed.push(path);
      log.warn({ path, attemptId: owner?.attemptId ?? null }, "removed the unfinished restore of a process that died");
    }
    await removeTree(home);
    removed.push(home);
    log.warn({ path: home, attemptId: owner?.attemptId ?? null, pid: owner?.pid ?? null }, "removed the scratch directory of a process that died");
  }
  return removed;
}

async function namesIn(root: string): Promise<string[]> {
  try {
    return await readdir(root);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

const outsideSchema = z.array(z.string().startsWith("/"));

/** What an attempt noted before it wrote outside; only names that carry its own id are believed, and only what is there. */
async function outsideOf(home: string, attemptId: string): Promise<string[]> {
  const parsed = outsideSchema.safeParse(await readJson(join(home, "w", OUTSIDE_FILE)));
  const own = parsed.success ? parsed.data.filter((path) => path.endsWith(`.partial-${attemptId}`)) : [];
  const there = await Promise.all(own.map((path) => lstat(path).then(() => true, () => false))); // prettier-ignore
  return own.filter((_, number) => there[number]);
}

/** Null when the directory holds no readable owner: its process died before it had written one. */
async function readOwner(home: string): Promise<Owner | null> {
  const parsed = ownerSchema.safeParse(await readJson(join(home, "owner.json")));
  return parsed.success ? parsed.data : null;
}

/** Null when there is no such file, or when a crash left half of it. */
async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error;
  }
}

/** A process number alone proves nothing, numbers come round again; number and start time do. */
async function isAlive(owner: Owner): Promise<boolean> {
  return (await processStart(owner.pid)) === owner.processStart && owner.processStart !== "";
}

/** Field 22 of /proc/<pid>/stat (ticks since boot); empty when there is no such process. See proc_pid_stat(5). */
async function processStart(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${String(pid)}/stat`, "utf8");
    // The second field is the name in parentheses and may hold anything; fields are counted after its end.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return "";
    throw error;
  }
}

/** Tries and the growing pause between them, for what passes: no more file handles, or a tool that still writes while it dies. */
const QUICK = { maxRetries: 3, retryDelay: 100 };
/** About twenty seconds: what stays now stays until the next start. */
const PATIENT = { maxRetries: 12, retryDelay: 250 };
/** The same for the list of what lies outside: to read it takes a file handle too. */
const READING = { tries: 12, firstPauseMs: 250, maxPauseMs: 3_000, mayRetry: (error: unknown): boolean => mayRetry(asHoldfastError(error)) } as const;

function removeTree(path: string, tries: { maxRetries: number; retryDelay: number } = QUICK): Promise<void> {
  return rm(path, { recursive: true, force: true, ...tries });
}
