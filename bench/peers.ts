import { spawnSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { settle, timeShell } from "./measure.ts";
import type { Bench } from "./sides.ts";

export function hasProgram(name: string): boolean {
  return spawnSync(name, ["version"]).status === 0;
}

/** Backup and restore of the same server with other programs that are on PATH; a line for each, also for what is missing. */
export async function peerReport(bench: Bench): Promise<string[]> {
  if (!hasProgram("restic")) return ["restic: not on PATH, not measured"];
  const repository = join(bench.dir, "restic");
  await rm(repository, { recursive: true, force: true });
  const restic = `RESTIC_PASSWORD=bench restic --no-cache -q -r ${repository}`;
  await timeShell(`${restic} init >/dev/null`);
  await settle(bench.dir);
  const target = join(bench.dir, "restic-target");
  const tool = `mariadb-backup --no-defaults --backup --stream=mbstream --user=root --socket=${bench.socket} --datadir=${bench.dataDir} --target-dir=${target} 2>${bench.dir}/restic.log`;
  const backup = await timeShell(`${tool} | ${restic} backup --stdin --stdin-filename stream`);
  const restored = join(bench.dir, "restic-restored");
  await settle(bench.dir);
  const restore = await timeShell(`mkdir ${restored}\n${restic} dump latest stream | mbstream -x -C ${restored}`);
  await rm(restored, { recursive: true, force: true });
  return [`restic (chunked and deduplicated, its own compression): backup ${backup.wallS.toFixed(2)} s, ${backup.cpuS.toFixed(1)} CPU s; restore ${restore.wallS.toFixed(2)} s, ${restore.cpuS.toFixed(1)} CPU s`];
}
