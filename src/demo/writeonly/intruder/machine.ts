import { open, readdir, readFile, readlink, rm } from "node:fs/promises";
import type { Answer, Attempt } from "../attempt.ts";
import type { IntruderPlan } from "./plan.ts";

const AT = "this machine";
const CHUNK_BYTES = 8 * 1024 * 1024;
/** Longer than any secret that is looked for. */
const OVERLAP_BYTES = 256;

/** What can be done with the rights on the machine alone. */
export function machineAttempts({ elsewhere, otherPrograms, secrets, agentDir }: IntruderPlan): Attempt[] {
  // One look at the memory answers for all of them.
  let looked: Promise<Look> | undefined;
  const look = (): Promise<Look> => (looked ??= lookIntoMemory(secrets.map(({ pattern }) => pattern)));
  return [
    ...elsewhere.map(({ what, path }) => ({ at: AT, what: `read ${what}`, run: () => onFile(() => readAny(path)) })),
    ...elsewhere.map(({ what, path }) => ({ at: AT, what: `remove ${what}`, run: () => onFile(() => rm(path, { recursive: true })) })),
    ...otherPrograms.map((words) => ({ at: AT, what: `find the process "${words}" to look into it`, run: () => findProcess(words) })),
    ...secrets.flatMap(({ what, pattern }) => [
      { at: AT, what: `find ${what} in the agent's files`, run: () => searchFiles(agentDir, pattern) },
      { at: AT, what: `find ${what} in the memory of the processes here`, run: async () => inMemory(await look(), pattern) },
    ]),
  ];
}

async function readAny(path: string): Promise<void> {
  await readFile(path).catch(async (error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "EISDIR") return readdir(path);
    throw error;
  });
}

/** The system's own no. */
async function onFile(work: () => Promise<unknown>): Promise<Answer> {
  try {
    await work();
    return { refused: false, said: "done" };
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    return { refused: ["ENOENT", "EACCES", "EPERM"].includes(code), said: code };
  }
}

async function pids(): Promise<string[]> {
  return (await readdir("/proc")).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
}

async function findProcess(words: string): Promise<Answer> {
  const seen = await pids();
  for (const pid of seen) {
    const line = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ");
    // Its command line alone is no secret where processes are seen; its memory and environment would be.
    if (!line.includes(words)) continue;
    const looked = await onFile(() => readFile(`/proc/${pid}/environ`));
    return { ...looked, said: `process ${pid}: ${looked.said}` };
  }
  return { refused: true, said: `not among the ${String(seen.length)} processes here` };
}

async function searchFiles(dir: string, pattern: string): Promise<Answer> {
  const wanted = new RegExp(pattern);
  let searched = 0;
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = `${entry.parentPath}/${entry.name}`;
    searched += 1;
    if (wanted.test(await readFile(path, "latin1"))) return { refused: false, said: `it lies in ${path}` };
  }
  return { refused: searched > 0, said: `not in ${String(searched)} files` };
}

interface Look {
  readonly found: ReadonlySet<string>;
  readonly programs: number;
  readonly searchedBytes: number;
}

function inMemory({ found, programs, searchedBytes }: Look, pattern: string): Answer {
  if (found.has(pattern)) return { refused: false, said: "a process here knows it" };
  const said = `not in ${String(Math.round(searchedBytes / 1_000_000))} MB of ${String(programs)} process${programs === 1 ? "" : "es"}`;
  return { refused: programs > 0 && searchedBytes > 0, said };
}

/** Reads all that each process of Holdfast here has mapped for writing: what it knows must be there. */
async function lookIntoMemory(patterns: readonly string[]): Promise<Look> {
  const found = new Set<string>();
  let [programs, searchedBytes] = [0, 0];
  for (const pid of await pids()) {
    const program = await readlink(`/proc/${pid}/exe`).catch(() => "");
    if (!program.endsWith("/node")) continue;
    programs += 1;
    for await (const text of memoryOf(pid)) {
      searchedBytes += text.length;
      for (const pattern of patterns) if (new RegExp(pattern).test(text)) found.add(pattern);
    }
  }
  return { found, programs, searchedBytes };
}

async function* memoryOf(pid: string): AsyncGenerator<string> {
  const maps = (await readFile(`/proc/${pid}/maps`, "utf8")).split("\n");
  const memory = await open(`/proc/${pid}/mem`, "r");
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  try {
    for (const line of maps) {
      const [, from = "", to = ""] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      if (from === "") continue;
      const end = BigInt(`0x${to}`);
      for (let at = BigInt(`0x${from}`); at < end; at += BigInt(CHUNK_BYTES - OVERLAP_BYTES)) {
        const length = Number(end - at < BigInt(CHUNK_BYTES) ? end - at : BigInt(CHUNK_BYTES));
        // Pages that were never touched cannot be read.
        const { bytesRead } = await memory.read(buffer, 0, length, at).catch(() => ({ bytesRead: 0 }));
        yield buffer.toString("latin1", 0, bytesRead);
      }
    }
  } finally {
    await memory.close();
  }
}
