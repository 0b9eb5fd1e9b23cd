import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BackupReport } from "../src/model/job.ts";
import type { JobResult, JobSpec } from "./job.ts";
import { type Run, runAsInstalled, timeShell } from "./measure.ts";

/** What both sides work on: one server, two age keys, folders of their own. */
export interface Bench {
  readonly dir: string;
  readonly connection: Record<string, unknown>;
  readonly socket: string;
  readonly dataDir: string;
  readonly identity: string;
  readonly identityPath: string;
  readonly recipients: readonly string[];
}

const JOB = join(import.meta.dirname, "job.ts");

export interface HoldfastRun extends Run {
  /** The stream alone, without the questions before and after it. */
  readonly streamS: number;
  readonly report: BackupReport | null;
}

/** The backup as a shell script takes it: hashed, encrypted to the same two recipients, synced. */
export async function shellBackup(bench: Bench): Promise<Run> {
  const file = shellFile(bench);
  await rm(file, { force: true });
  const target = join(bench.dir, "shell-target");
  await rm(target, { recursive: true, force: true });
  const tool = `mariadb-backup --no-defaults --backup --stream=mbstream --user=root --socket=${bench.socket} --datadir=${bench.dataDir} --target-dir=${target} 2>${bench.dir}/shell.log`;
  const to = bench.recipients.map((recipient) => `-r ${recipient}`).join(" ");
  // The hash waits for its process, so that its CPU time counts too.
  const script = `${tool} | zstd -q -3 -T0 | { tee >(exec sha256sum >${file}.sha256); wait $!; } | age ${to} >${file}\nsync ${file} ${file}.sha256`;
  const times = await timeShell(script);
  return { ...times, peakRssBytes: 0, storedBytes: (await stat(file)).size };
}

export async function shellRestore(bench: Bench): Promise<Run> {
  const into = await emptyDir(bench, "shell-restored");
  const times = await timeShell(`age -d -i ${bench.identityPath} ${shellFile(bench)} | zstd -d -q | mbstream -x -C ${into}`);
  return { ...times, peakRssBytes: 0, storedBytes: 0 };
}

export async function holdfastBackup(bench: Bench): Promise<HoldfastRun> {
  await rm(join(bench.dir, "repository"), { recursive: true, force: true });
  return runJob(bench, undefined);
}

export async function holdfastRestore(bench: Bench, report: BackupReport): Promise<HoldfastRun> {
  return runJob(bench, { dir: await emptyDir(bench, "restored"), report });
}

async function runJob(bench: Bench, restore: JobSpec["restore"]): Promise<HoldfastRun> {
  const scratchDir = await emptyDir(bench, "scratch");
  const { connection, identity, recipients } = bench;
  const spec: JobSpec = { connection, identity, recipients, repositoryPath: join(bench.dir, "repository"), scratchDir, ...(restore === undefined ? {} : { restore }) };
  const specPath = join(bench.dir, "job.json");
  await writeFile(specPath, JSON.stringify(spec), { mode: 0o600 });
  const result = JSON.parse(await runAsInstalled(JOB, [specPath])) as JobResult;
  return { ...result, storedBytes: result.report?.packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) ?? 0 };
}

async function emptyDir(bench: Bench, name: string): Promise<string> {
  const dir = join(bench.dir, name);
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  return dir;
}

function shellFile(bench: Bench): string {
  return join(bench.dir, "shell.zst.age");
}
