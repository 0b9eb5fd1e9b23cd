import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { orderOf } from "../../test/fakes/agent-server.ts";
import type { HookCall } from "../jobs/ports.ts";
import { HoldfastError } from "../lib/errors.ts";
import { silentLog } from "../lib/log.ts";
import type { HookFailure } from "../model/hook.ts";
import type { Work } from "../model/job.ts";
import { type HookCommand, hookRunner } from "./run-hook.ts";

const backup: Work = { kind: "backup", backupKind: "incremental", parent: null, sealing: { recipients: ["age1x"], metadataRecipient: "age1m", compressionLevel: 3 }, rowCounts: "none", heartbeat: false };
const before: HookCall = { hook: "a", when: "before" };
const after: HookCall = { hook: "a", when: "after", error: null };
/** Ends a hook that hangs, not one that a busy machine keeps waiting. */
const LONG_MS = 600_000;

let dir: string;
let stop: AbortController;
let failed: HookFailure[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-hook-"));
  stop = new AbortController();
  failed = [];
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

const order = orderOf(backup);
const run = (command: string[], call: HookCall, timeoutMs = LONG_MS): Promise<void> => {
  const hooks = new Map<string, HookCommand>([["a", { command, timeoutMs }]]);
  return hookRunner({ order, signal: stop.signal, log: silentLog, hooks, onHookFailed: (failure) => failed.push(failure) })(call);
};
const shell = (script: string, ...args: string[]): string[] => ["/bin/sh", "-c", script, ...args];
const read = (name: string): Promise<string> => readFile(join(dir, name), "utf8");
const has = (name: string): Promise<boolean> => read(name).then(() => true, () => false);
/** Whether a process lives, and is no corpse that nobody has asked about. */
const lives = (pid: string): Promise<boolean> => readFile(`/proc/${pid.trim()}/stat`, "utf8").then((stat) => !/\) Z /.test(stat), () => false);
const failure = (says: string): object => ({ code: "HOOK_FAILED", message: expect.stringContaining(says) as unknown });

describe("a hook", () => {
  test.each<[string, HookCall, Record<string, string>]>([
    ["before a backup", before, {}],
    ["after a backup that is stored", after, { HOLDFAST_STATUS: "ok" }],
    ["after one that failed", { hook: "a", when: "after", error: "TOOL_FAILED" }, { HOLDFAST_STATUS: "failed", HOLDFAST_ERROR: "TOOL_FAILED" }],
  ])("%s has the facts in its environment, and nothing else of ours", async (_name, call, facts) => {
    await run(shell('cat /proc/$$/environ > "$0"', join(dir, "environment")), call);
    const pairs = (await read("environment")).split("\0").filter((pair) => pair !== "").map((pair) => pair.split(/=(.*)/s).slice(0, 2));
    expect(Object.fromEntries(pairs)).toEqual({
      PATH: process.env["PATH"], LANG: "C.UTF-8", TZ: "UTC",
      HOLDFAST_HOOK: "a", HOLDFAST_WHEN: call.when, HOLDFAST_INSTANCE: "shop", HOLDFAST_JOB_ID: order.jobId, HOLDFAST_ATTEMPT_ID: order.attemptId, HOLDFAST_BACKUP_KIND: "incremental", ...facts,
    }); // prettier-ignore
  });

  test("gets its arguments as they stand in the file, and no shell reads them", async () => {
    await writeFile(join(dir, "args.sh"), '#!/bin/sh\nprintf "%s\\n" "$@" > "$(dirname "$0")/args"\n', { mode: 0o755 });
    await run([join(dir, "args.sh"), "two words", "$(touch x)", ";", "$HOLDFAST_HOOK"], before);
    expect(await read("args")).toBe("two words\n$(touch x)\n;\n$HOLDFAST_HOOK\n");
  });

  test("that ends with another exit code than 0 has failed, and the error tells the code and the last lines that it said", async () => {
    await expect(run(shell("for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $n >&2; done; exit 3"), before)).rejects.toMatchObject({
      code: "HOOK_FAILED",
      message: `Hook a before the backup ended with exit code 3: ${[3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((n) => `line ${String(n)}`).join("\n")}.`,
      details: { hook: "a", when: "before", exitCode: 3 },
    });
    await expect(run(shell("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1"), before)).rejects.toMatchObject({ message: expect.stringMatching(/^Hook a before the backup ended with exit code 1: x{2000}\.$/) as unknown });
    await expect(run(shell("kill -KILL $$"), before)).rejects.toMatchObject(failure("ended with signal SIGKILL: it said nothing"));
    expect(failed).toEqual([]);
  });

  test("that cannot be started has failed", async () => {
    await expect(run([join(dir, "nothing-here")], before)).rejects.toMatchObject(failure("nothing-here"));
    await writeFile(join(dir, "plain"), "no program");
    await expect(run([join(dir, "plain")], before)).rejects.toMatchObject(failure("plain"));
    await expect(run(["/bin/true", "x".repeat(1_000_000)], before)).rejects.toMatchObject(failure("could not be started: "));
  });

  test("that exceeds its timeout has failed, and is ended with all that it started", async () => {
    await expect(run(shell('sleep 600 & echo $! > "$0"; wait', join(dir, "pid")), after, 500)).rejects.toMatchObject({ ...failure("did not end within 500 ms and was ended"), details: { hook: "a", when: "after", timedOut: true } });
    await expect.poll(async () => lives(await read("pid"))).toBe(false);
    // Ended itself, but not what holds its stderr open.
    await expect(run(shell("sleep 600 & exit 0"), before, 500)).rejects.toMatchObject(failure("did not end within"));
    expect(failed).toMatchObject([{ hook: "a", error: { code: "HOOK_FAILED" } }]);
  });

  test("before a backup is ended by a cancel, with its reason, and not begun after one", async () => {
    const cancelled = new HoldfastError("CANCELLED", "Job x was asked to stop.");
    const running = run(shell('echo $$ > "$0.new"; mv "$0.new" "$0"; sleep 600; :', join(dir, "pid")), before);
    const ended = expect(running).rejects.toBe(cancelled);
    await expect.poll(() => has("pid")).toBe(true);
    stop.abort(cancelled);
    await ended;
    expect(await lives(await read("pid"))).toBe(false);
    await expect(run(shell('touch "$0"', join(dir, "second")), before)).rejects.toBe(cancelled);
    expect(await has("second")).toBe(false);
  });

  test("after a backup runs to its end all the same, and what fails there is told besides", async () => {
    stop.abort(new HoldfastError("CANCELLED", "Job x was asked to stop."));
    await run(shell('touch "$0"', join(dir, "ran")), { ...after, error: "CANCELLED" });
    expect([await has("ran"), failed]).toEqual([true, []]);
    await expect(run(shell("exit 4"), { ...after, error: "CANCELLED" })).rejects.toMatchObject(failure("exit code 4"));
    expect(failed).toMatchObject([{ hook: "a", error: { code: "HOOK_FAILED", details: { exitCode: 4 } } }]);
  });

  test("that the file does not list is never run", async () => {
    const none = hookRunner({ order, signal: stop.signal, log: silentLog });
    for (const hook of ["a", "constructor"]) await expect(none({ hook, when: "before" })).rejects.toMatchObject({ code: "AGENT_REFUSED", message: `This machine's file lists no hook ${hook}.` });
  });
});
