import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";

/** A process that starts one that can outlive it, settles as it is told, says its number and waits. */
const STARTER = `
  const { startOutliving } = await import(${JSON.stringify(new URL("outliving.ts", import.meta.url).href)});
  const started = await startOutliving(["sleep", "1000"]);
  if (process.argv[1] !== "nothing") started.settle(process.argv[1] === "keep");
  process.stdout.write(String(started.pid) + "\\n");
  setInterval(() => undefined, 1_000);`;

const starters: ChildProcess[] = [];
const pids: number[] = [];
afterEach(() => {
  for (const starter of starters.splice(0)) starter.kill("SIGKILL");
  for (const pid of pids.splice(0)) if (isAlive(pid)) process.kill(pid, "SIGKILL");
});

async function start(settled: "nothing" | "keep" | "end"): Promise<{ starter: ChildProcess; pid: number }> {
  const starter = spawn(process.execPath, ["--input-type=module", "-e", STARTER, settled], { stdio: ["ignore", "pipe", "inherit"] });
  starters.push(starter);
  const [said] = (await once(starter.stdout, "data")) as [Buffer];
  const pid = Number(said.toString());
  pids.push(pid);
  return { starter, pid };
}

async function kill9(starter: ChildProcess): Promise<void> {
  starter.kill("SIGKILL");
  await once(starter, "exit");
}

/** Command line of a living process; empty for one that is gone or has only not been waited for. */
function commandOf(pid: number | string): string {
  try {
    return readFileSync(`/proc/${String(pid)}/cmdline`, "latin1").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

const isAlive = (pid: number): boolean => commandOf(pid).includes("sleep 1000");
const guardsOf = (pid: number): string[] => readdirSync("/proc").filter((name) => /^\d+$/.test(name) && commandOf(name).includes(`kill -KILL "$1" sh ${String(pid)} `));

describe("a process that may outlive the one that started it", () => {
  it("dies with it while nothing is settled, even when it is killed", async () => {
    const { starter, pid } = await start("nothing");
    await expect.poll(() => isAlive(pid)).toBe(true);
    await kill9(starter);
    await expect.poll(() => [isAlive(pid), guardsOf(pid)]).toEqual([false, []]);
  });

  it("lives on once it is kept", async () => {
    const { starter, pid } = await start("keep");
    await expect.poll(() => [isAlive(pid), guardsOf(pid)]).toEqual([true, []]);
    await kill9(starter);
    expect(isAlive(pid)).toBe(true);
  });

  it("is killed when it is not kept", async () => {
    const { pid } = await start("end");
    await expect.poll(() => [isAlive(pid), guardsOf(pid)]).toEqual([false, []]);
  });
});
