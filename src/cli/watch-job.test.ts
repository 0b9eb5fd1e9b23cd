import { describe, expect, it } from "vitest";
import { runCli } from "../../test/fakes/cli.ts";
import { attempt, id, job, succeeded } from "../../test/fakes/cli-documents.ts";
import { ERRORS } from "../lib/errors.ts";

const watch = (states: readonly object[], options: Parameters<typeof runCli>[1] = {}) => runCli(["job", "watch", id(50)], { answers: { "jobs.show": states.map((each) => ({ job: each })) }, ...options });

describe("watching a job", () => {
  it("follows it until it has succeeded, with progress on stderr and the end on stdout", async () => {
    const ran = await watch([job({ state: "due", attempts: [] }), job({ state: "due", attempts: [] }), job(), succeeded()]);
    expect(ran.code).toBe(0);
    expect(ran.calls).toHaveLength(4);
    expect(ran.stderr).toBe(`job ${id(50)} is due\n`);
    expect(ran.stdout).toContain("succeeded");
    expect(ran.stdout).not.toContain("is due");
  });

  it("asks nothing while the server tells it by itself, and asks when that ends early or fails", async () => {
    const told = await watch([job()], { told: [job({ state: "due", attempts: [] }), job(), succeeded()] });
    expect([told.code, told.calls.length]).toEqual([0, 1]);
    expect(told.stderr).toContain(`job ${id(50)} is due`);
    for (const end of [[], [new TypeError("the connection broke")]]) {
      const ran = await watch([job(), job(), succeeded()], { told: [job(), ...end] });
      expect([ran.code, ran.calls.length]).toEqual([0, 3]);
    }
  });

  it("shows phase, size, rate and the time that is left", async () => {
    const ran = await watch([job(), job(), succeeded()], { interactive: true });
    expect(ran.stderr).toContain("\r\u001b[Kcopying · 1.00 GiB of about 3.00 GiB · 100 MiB/s · 20.0 s left");
    expect(ran.stdout).not.toContain("\u001b");
  });

  it("shows how fast a backup is stored and what waits in the spool", async () => {
    const progress = { phase: "copying", doneBytes: 0, totalBytes: null, rateInBytesPerS: 104_857_600, rateOutBytesPerS: 1_048_576, etaMs: null, message: "", spoolBytes: 3_221_225_472 };
    const ran = await watch([job(), job({ attempts: [attempt({ progress })] }), succeeded()], { interactive: true });
    expect(ran.stderr).toContain("copying · 100 MiB/s · 1.00 MiB/s stored · 3.00 GiB in the spool");
  });

  it("ends with the job's own error, its hint and its exit code", async () => {
    const error = { code: "STORAGE_FULL", message: "The repository main has no space left.", hint: "Add space.", details: {} };
    const ran = await watch([job(), job({ state: "failed", error, attempts: [attempt({ state: "failed", error })] })]);
    expect(ran.code).toBe(ERRORS.STORAGE_FULL.exit);
    expect(ran.stdout).toBe("");
    expect(ran.stderr).toContain("holdfast: The repository main has no space left.\n  Add space.\n  [STORAGE_FULL]\n");
  });

  it("tells programs which job failed", async () => {
    const error = { code: "TOOL_FAILED", message: "mariadb-backup ended with 1.", hint: "Read its log.", details: { exitCode: 1 } };
    const ran = await runCli(["job", "watch", id(50), "--json"], { answers: { "jobs.show": { job: job({ state: "failed", error }) } } });
    expect(JSON.parse(ran.stdout)).toEqual({ error: { ...error, details: { exitCode: 1, jobId: id(50) } } });
  });

  it("says how a cancelled job is run again", async () => {
    const ran = await watch([job({ state: "cancelled" })]);
    expect(ran.code).toBe(ERRORS.CANCELLED.exit);
    expect(ran.stderr).toContain(`Job ${id(50)} was cancelled.\n  \`holdfast job retry ${id(50)}\` runs it again.`);
  });

  it("can be left with Ctrl-C, which says how to end the job itself", async () => {
    const interrupt = new AbortController();
    const running = watch([job()], { signal: interrupt.signal });
    setImmediate(() => interrupt.abort(new Error("Ctrl-C")));
    const ran = await running;
    expect(ran.code).toBe(ERRORS.CANCELLED.exit);
    expect(ran.stderr).toContain(`Stopped watching job ${id(50)}.`);
    expect(ran.stderr).toContain(`\`holdfast job cancel ${id(50)}\` ends it`);
  });

  it("does not take an error of the server for Ctrl-C", async () => {
    const ran = await runCli(["job", "watch", id(50)], { answers: { "jobs.show": [{ job: job() }, new TypeError("broken")] } });
    expect(ran.code).toBe(ERRORS.INTERNAL.exit);
  });
});
