import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { EmptyBackups } from "../../test/fakes/job-ports.ts";
import type { Engine } from "../engines/engine.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Report, VerifyOrder } from "../model/job.ts";
import { runVerify } from "./verify.ts";

let scratchDir: string;
beforeEach(async () => {
  scratchDir = await mkdtemp(join(tmpdir(), "hf-ver-"));
});
afterEach(() => rm(scratchDir, { recursive: true, force: true }));

async function verify(engine: Partial<Engine>): Promise<Report> {
  const backups = await EmptyBackups.make();
  const order: VerifyOrder = { kind: "verify", tier: "T3", chain: [await backups.add("full")], segments: [], replayTo: null, checkTables: false, assertions: [], rowTolerance: 1, previousCounts: [] };
  return runVerify(backups.ports({ work: order, scratchDir, engine }), order);
}

const fails = (error: HoldfastError) => (): Promise<never> => Promise.reject(error);
const toolEnded = (killedBy?: string): HoldfastError => new HoldfastError("TOOL_FAILED", "mariadb-backup ended.", { details: killedBy === undefined ? {} : { killedBy } });

it.each(["SIGKILL", "SIGTERM", "SIGXFSZ"])("does not call a backup bad because somebody ended the tool with %s: the job fails with that and is tried again", async (signal) => {
  const error = toolEnded(signal);
  await expect(verify({ prepare: fails(error) })).rejects.toBe(error);
  const gone = new HoldfastError("SANDBOX_FAILED", "The sandbox server is gone.", { details: { killedBy: signal } });
  await expect(verify({ prepare: () => Promise.resolve([]), startSandbox: fails(gone) })).rejects.toBe(gone);
  const around = new HoldfastError("SANDBOX_FAILED", "The server did not start.", { cause: error });
  await expect(verify({ prepare: () => Promise.resolve([]), startSandbox: fails(around) })).rejects.toBe(around);
  expect(error.row.retry && gone.row.retry).toBe(true);
});

it.each([
  ["fails by itself", toolEnded()],
  ["crashes over the data", toolEnded("SIGSEGV")],
  ["gives up over the data", toolEnded("SIGABRT")],
])("calls a backup bad when the tool %s", async (_how, error) => {
  const report = await verify({ prepare: fails(error) });
  expect(report).toMatchObject({ kind: "verify", result: { status: "failed" } });
  expect(report.kind === "verify" && report.result.checks.at(-1)).toMatchObject({ tier: "T2", status: "failed", detail: error.message });
});

it.each(["STORAGE_FAILED", "STORAGE_FULL", "KEY_MISSING", "TIMEOUT", "INTERNAL"] as const)("does not call a backup bad because of the machine: %s", async (code) => {
  const error = new HoldfastError(code, "Not the backup's fault.");
  await expect(verify({ unpack: fails(error) })).rejects.toBe(error);
});
