import { readdir, readFile, stat } from "node:fs/promises";

/** Above those that machines give to people, below those that systemd gives to services for a while. */
const [FIRST_ID, LAST_ID] = [60_100, 61_100];

/**
 * Numbers that are neither a user nor a group here and that no process runs as. A process can be given one by root
 * without an account: /etc/passwd stays as it is.
 */
export async function unusedIds(count: number): Promise<number[]> {
  const taken = new Set([...(await idsOf("/etc/passwd", [2, 3])), ...(await idsOf("/etc/group", [2])), ...(await runningIds())]);
  const free: number[] = [];
  for (let id = FIRST_ID; id < LAST_ID && free.length < count; id += 1) if (!taken.has(id)) free.push(id);
  if (free.length < count) throw new Error(`there are no ${String(count)} numbers between ${String(FIRST_ID)} and ${String(LAST_ID)} that no user has`);
  return free;
}

async function idsOf(path: string, columns: readonly number[]): Promise<number[]> {
  const text = await readFile(path, "utf8");
  return text.split("\n").flatMap((line) => columns.map((column) => Number(line.split(":")[column])));
}

async function runningIds(): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  return Promise.all(pids.map((pid) => stat(`/proc/${pid}`).then(({ uid }) => uid, () => 0)));
}
