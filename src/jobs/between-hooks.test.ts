import { beforeEach, expect, test } from "vitest";
import { HoldfastError } from "../lib/errors.ts";
import { silentLog } from "../lib/log.ts";
import { betweenHooks } from "./between-hooks.ts";
import { Phases } from "./phases.ts";
import type { HookCall } from "./ports.ts";

/** What was done, in order. */
let done: string[];
let failing: Set<string>;
let stop: AbortController;
let phases: Phases;
let nowMs: number;
beforeEach(() => {
  done = [];
  failing = new Set();
  stop = new AbortController();
  nowMs = 0;
  phases = new Phases({ log: silentLog, clock: { nowMs: () => nowMs, monotonicMs: () => nowMs }, progress: ({ phase }) => void done.push(`[${phase}]`) });
});

const runHook = async (call: HookCall): Promise<void> => {
  nowMs += 7;
  done.push(call.when === "before" ? `before ${call.hook}` : `after ${call.hook} ${call.error ?? "ok"}`);
  if (failing.has(`${call.when} ${call.hook}`)) throw new HoldfastError("HOOK_FAILED", `${call.hook} failed.`);
};
const run = (backup: () => string, hooks: { before: string[]; after: string[] } | null = { before: ["a", "b"], after: ["c", "b"] }): Promise<string> =>
  betweenHooks({ runHook, signal: stop.signal, log: silentLog }, phases, hooks ?? undefined, async () => backup());
const taken = (): string => {
  done.push("backup");
  return "report";
};

test("run in order around the backup, as phases that are measured", async () => {
  expect(await run(taken)).toBe("report");
  expect(done).toEqual(["[before hooks]", "before a", "before b", "backup", "[after hooks]", "after c ok", "after b ok"]);
  expect(phases.list).toEqual([{ name: "before hooks", durationMs: 14, bytes: 0 }, { name: "after hooks", durationMs: 14, bytes: 0 }]);
});

test("a backup without hooks has no phases for them", async () => {
  await run(taken, null);
  await run(taken, { before: [], after: [] });
  expect([done, phases.list]).toEqual([["backup", "backup"], []]);
});

test("one before that fails ends it: none behind it and no backup, but all that come after", async () => {
  failing.add("before a");
  await expect(run(taken)).rejects.toMatchObject({ code: "HOOK_FAILED", message: "a failed." });
  expect(done).toEqual(["[before hooks]", "before a", "[after hooks]", "after c HOOK_FAILED", "after b HOOK_FAILED"]);
});

test("those after are told what the backup failed with, and its error stays the one that counts", async () => {
  failing.add("after c");
  await expect(run(() => { throw new HoldfastError("BUFFER_EXHAUSTED", "Full."); })).rejects.toMatchObject({ code: "BUFFER_EXHAUSTED" }); // prettier-ignore
  expect(done.slice(3)).toEqual(["[after hooks]", "after c BUFFER_EXHAUSTED", "after b BUFFER_EXHAUSTED"]);
});

test("a backup that somebody stopped was stopped, whatever broke because of it", async () => {
  const cutShort = (): never => {
    stop.abort(new HoldfastError("CANCELLED", "Job x was asked to stop."));
    throw new HoldfastError("TOOL_FAILED", "The tool ended with signal SIGTERM.");
  };
  await expect(run(cutShort)).rejects.toMatchObject({ code: "TOOL_FAILED" });
  expect(done.slice(-2)).toEqual(["after c CANCELLED", "after b CANCELLED"]);
});

test("one after that fails keeps neither the others from running nor the backup", async () => {
  failing.add("after c").add("after b");
  expect(await run(taken)).toBe("report");
  expect(done.slice(-3)).toEqual(["[after hooks]", "after c ok", "after b ok"]);
  expect(phases.list.map(({ name }) => name)).toEqual(["before hooks", "after hooks"]);
});
