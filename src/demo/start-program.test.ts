import { describe, expect, it } from "vitest";
import { type RunningProgram, startProgram } from "./start-program.ts";

const shell = (script: string): RunningProgram => startProgram("the shell", { file: "sh", args: ["-c", script] });

describe("a program that runs beside this one", () => {
  it("is waited for until it has said something, on either output", async () => {
    const program = shell("echo first; echo second >&2; exec sleep 60");
    await program.until("first");
    await program.until("second");
    expect([program.said("stdout"), program.said("stderr"), program.isRunning()]).toEqual(["first\n", "second\n", true]);
    await program.kill9();
    expect([program.isRunning(), await program.ended]).toEqual([false, null]);
  });

  it("that ends before it is ready is said to have, with all that it said", async () => {
    await expect(shell("echo the disk is full >&2; exit 3").until("ready")).rejects.toThrow(/^the shell ended and this did not come true: ready\. It said: the disk is full\n$/);
  });

  it("may end with what was waited for as its last words", async () => {
    const program = shell("echo ready; exit 3");
    expect(await program.ended).toBe(3);
    await program.until("ready");
  });

  it("gives its exit code when it is told to stop", async () => {
    const program = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done");
    await program.until("ready");
    expect(await program.stop()).toBe(7);
    expect(await program.stop()).toBe(7);
  });
});
