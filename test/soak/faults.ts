import { spawnSync } from "node:child_process";
import { stat } from "node:fs/promises";
import { delay } from "../../src/lib/clock.ts";
import type { DiskName, Ground } from "./ground.ts";
import type { FaultPlan } from "./plan.ts";
import { awaitProcess, type Process, signalTo } from "./processes.ts";
import type { ProcessName } from "./states.ts";

const AWAIT_TOOL_MS = 4_000;
/** What `holdfast` has open already stays open; anything more fails. */
const FEW_FILES = 8;
/** Where a server that a restore leaves running has its own files. */
const SERVED_PLACE = "/.holdfast-serve/";

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

type Child = Exclude<ProcessName, "holdfast" | "source" | "other server">;

/** How a process is told from the others that Holdfast has started. */
const isChild: Readonly<Record<Child, (process: Process, up: number) => boolean>> = {
  "mariadb-backup": ({ name, parent }, up) => name === "mariadb-backup" && parent === up,
  "mariadb-binlog": ({ name, parent }, up) => name === "mariadb-binlog" && parent === up,
  "mariadb-dump": ({ name, parent }, up) => name === "mariadb-dump" && parent === up,
  mariadb: ({ name, parent }, up) => name === "mariadb" && parent === up,
  sandbox: ({ name, parent, command }, up) => name === "mariadbd" && parent === up && !command.includes(SERVED_PLACE),
  // It is made to outlive Holdfast, so that its parent says nothing.
  served: ({ name, command }) => name === "mariadbd" && command.includes(SERVED_PLACE),
};

async function pidOf(ground: Ground, name: ProcessName): Promise<number | null> {
  if (name === "holdfast") return ground.up().isRunning() ? ground.up().pid : null;
  if (name === "source") return ground.mariadb.pid;
  if (name === "other server") return (await ground.otherServer()).pid;
  const isIt = isChild[name];
  return awaitProcess((process) => isIt(process, ground.up().pid) && (name !== "served" || process.command.includes(`${ground.rootDir}/`)), AWAIT_TOOL_MS);
}

async function kill(ground: Ground, plan: FaultPlan, pid: number): Promise<boolean> {
  if (plan.process === "holdfast") {
    await ground.up().kill9();
    return true;
  }
  if (plan.process !== "source" && plan.process !== "other server") return signalTo(pid, "SIGKILL");
  const server = plan.process === "source" ? ground.mariadb : await ground.otherServer();
  await server.kill9();
  await delay(plan.lastsMs);
  await server.restart();
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
