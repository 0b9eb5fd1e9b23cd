import { spawnSync } from "node:child_process";
import { stat } from "node:fs/promises";
import { delay } from "../../src/lib/clock.ts";
import type { DiskName, Ground } from "./ground.ts";
import type { FaultPlan } from "./plan.ts";
import { awaitChild, signalTo } from "./processes.ts";
import type { ProcessName } from "./states.ts";

const AWAIT_TOOL_MS = 4_000;
/** What `holdfast` has open already stays open; anything more fails. */
const FEW_FILES = 8;

/** Makes one fault and, when its time is over, takes it back. False when its process never came. */
export async function makeFault(ground: Ground, plan: FaultPlan): Promise<boolean> {
  if (plan.delayMs > 0) await delay(plan.delayMs);
  const [kind, disk] = plan.fault.split(" ") as [string, DiskName | undefined];
  if (kind === "fill" && disk !== undefined) return fillDisk(ground, disk, plan.lastsMs);
  const pid = await pidOf(ground, plan.process);
  if (pid === null) return false;
  if (kind === "kill") return kill(ground, plan, pid);
  if (kind === "freeze") return freeze(pid, plan.lastsMs);
  const limit = kind === "io" ? `--fsize=${String(plan.limitBytes)}` : `--nofile=${String(FEW_FILES)}`;
  return limited(pid, limit, plan.lastsMs);
}

const CHILD_NAMES: Readonly<Record<Exclude<ProcessName, "holdfast" | "source">, string>> = {
  "mariadb-backup": "mariadb-backup",
  "mariadb-binlog": "mariadb-binlog",
  sandbox: "mariadbd",
};

async function pidOf(ground: Ground, name: ProcessName): Promise<number | null> {
  if (name === "holdfast") return ground.up().isRunning() ? ground.up().pid : null;
  if (name === "source") return ground.mariadb.pid;
  return awaitChild(() => ground.up().pid, CHILD_NAMES[name], AWAIT_TOOL_MS);
}

async function kill(ground: Ground, plan: FaultPlan, pid: number): Promise<boolean> {
  if (plan.process === "holdfast") {
    await ground.up().kill9();
    return true;
  }
  if (plan.process !== "source") return signalTo(pid, "SIGKILL");
  await ground.mariadb.kill9();
  await delay(plan.lastsMs);
  await ground.restartSource();
  return true;
}

async function freeze(pid: number, lastsMs: number): Promise<boolean> {
  if (!signalTo(pid, "SIGSTOP")) return false;
  await delay(lastsMs);
  signalTo(pid, "SIGCONT");
  return true;
}

async function fillDisk(ground: Ground, disk: DiskName, lastsMs: number): Promise<boolean> {
  await ground.disks[disk].fill();
  await delay(lastsMs);
  ground.disks[disk].release();
  return true;
}

/** The soft limit only: the hard one stays, and the process cannot tell it from a failing disk. */
async function limited(pid: number, limit: string, lastsMs: number): Promise<boolean> {
  const [name] = limit.split("=") as [string];
  const owner = await stat(`/proc/${String(pid)}`).catch(() => null);
  if (owner === null) return false;
  // As the account of the process: root may not, where it lacks CAP_SYS_RESOURCE.
  const { uid, gid } = owner;
  const before = spawnSync("prlimit", ["--pid", String(pid), name, "--raw", "--noheadings", "--output=SOFT"], { encoding: "utf8", uid, gid }).stdout.trim();
  const set = (value: string): boolean => spawnSync("prlimit", ["--pid", String(pid), `${name}=${value}:`], { stdio: "ignore", uid, gid }).status === 0;
  if (before === "" || !set(limit.slice(name.length + 1))) return false;
  await delay(lastsMs);
  // It may have ended meanwhile.
  set(before);
  return true;
}
