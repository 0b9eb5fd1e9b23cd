import type { Sandbox, Unpacked } from "../engines/engine.ts";
import { asHoldfastError, HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Report, VerifyOrder } from "../model/job.ts";
import { type Tier, TIERS } from "../model/policy.ts";
import type { VerificationResult } from "../model/verification.ts";
import { requireSpace, throwIfFull } from "./disk-space.ts";
import { engineContext } from "./engine-context.ts";
import { prepareChain, scratchPlaces, unpackChain } from "./materialise.ts";
import { Phases } from "./phases.ts";
import type { JobPorts } from "./ports.ts";
import { replayLog } from "./replay.ts";
import { checkAssertions, checkCountsExactly, checkCountsRoughly, checkHeartbeat, checkObjects, checkTablesOf } from "./verify-server.ts";
import { checkStoredBytes, checkUnpacked } from "./verify-stored.ts";
import { verdict, type Verifying } from "./verdict.ts";
import { withSandbox } from "./with-sandbox.ts";

export const reaches = (order: Pick<VerifyOrder, "tier">, tier: Tier): boolean => TIERS.indexOf(order.tier) >= TIERS.indexOf(tier);

/**
 * Restores a chain for real, as far as the tier says, and compares. A difference is a failed check in the report; an
 * error of the machinery (no space, cancelled) is thrown, because it says nothing about the backup.
 */
export async function runVerify(ports: JobPorts, order: VerifyOrder): Promise<Report> {
  const run: Verifying = { ports, order, phases: new Phases(ports), checks: [] };
  const found = await climb(run);
  const result: VerificationResult = {
    tier: order.tier,
    status: run.checks.some((check) => check.status === "failed") ? "failed" : "passed",
    checks: run.checks,
    phases: run.phases.list,
    replayedTo: found.replayed ? order.replayTo : null,
    counts: found.counts,
    toolVersions: await ports.engine.tools(engineContext(ports)),
  };
  return { kind: "verify", result };
}

interface Found {
  readonly replayed: boolean;
  readonly counts: VerificationResult["counts"];
}

const NOTHING: Found = { replayed: false, counts: [] };

async function climb(run: Verifying): Promise<Found> {
  const { order } = run;
  if (!(await step(run, "T0", "stored bytes", () => checkStoredBytes(run))) || !reaches(order, "T1")) return NOTHING;
  let chain: Unpacked[] = [];
  const places = scratchPlaces(run.ports);
  const unpacked = await step(run, "T1", "unpack", async () => {
    await requireSpace(order.chain, run.ports.scratchDir, "verification");
    chain = await unpackChain(run.ports, run.phases, order.chain, places);
    run.checks.push(await checkUnpacked(chain));
  });
  if (!unpacked || !reaches(order, "T2")) return NOTHING;
  const prepared = await step(run, "T2", "prepare", async () => {
    const wrong = await prepareChain(run.ports, run.phases, chain);
    const files = chain.at(-1)?.index.files.length ?? 0;
    run.checks.push(verdict("T2", "prepare", wrong, `the engine prepared the chain; ${String(files)} files of the index compared with the result`));
  });
  if (!prepared || !reaches(order, "T3")) return NOTHING;
  let found = NOTHING;
  await step(run, "T3", "server", async () => {
    found = await withSandbox(run.ports, run.phases, places.dataDir, (sandbox) => compare(run, sandbox, chain));
  });
  return found;
}

/** Definitions and assertions are compared after the replay, because they were recorded at the place it ends at. */
async function compare(run: Verifying, sandbox: Sandbox, chain: readonly Unpacked[]): Promise<Found> {
  const { order, phases, checks, ports } = run;
  const tip = chain.at(-1);
  if (tip === undefined) return NOTHING;
  const { server } = tip.index;
  if (order.checkTables) checks.push(await phases.run("check", 0, () => checkTablesOf(sandbox, ports.signal)));
  const counts = await phases.run("count", 0, () => sandbox.rowCounts("all"));
  checks.push(checkCountsRoughly(counts, order.previousCounts, order.rowTolerance));
  const replayed = await replayToRecord(run, sandbox, tip);
  checks.push(checkObjects(server.objects, await sandbox.objectDigests()));
  checks.push(...(await checkAssertions(sandbox, order.assertions)));
  if (replayed) {
    checks.push(checkCountsExactly(server.counts, await sandbox.rowCounts(server.counts)));
    checks.push(checkHeartbeat(server.heartbeat, await sandbox.heartbeat()));
  }
  return { replayed, counts };
}

async function replayToRecord(run: Verifying, sandbox: Sandbox, tip: Unpacked): Promise<boolean> {
  const { order, checks, ports, phases } = run;
  const start = tip.facts.logPosition;
  if (!reaches(order, "T4")) return false;
  if (start === null || order.replayTo === null) {
    checks.push({ tier: "T4", name: "replay", status: "skipped", detail: "no recorded position is covered by the stored log", differences: [] });
    return false;
  }
  const stop = order.replayTo;
  return step(run, "T4", "replay", async () => {
    await replayLog(ports, phases, sandbox, { segments: order.segments, start, stop, gaps: [] });
    checks.push(verdict("T4", "replay", [], `the log was replayed to ${stop.file}:${String(stop.position)}`));
  });
}

/** Faults of the data become failed checks; faults of the machinery are thrown. True when the step left no failed check. */
async function step(run: Verifying, tier: Tier, name: string, work: () => Promise<void>): Promise<boolean> {
  const before = run.checks.length;
  try {
    await work();
  } catch (error) {
    run.ports.signal.throwIfAborted();
    await throwIfFull(run.ports.scratchDir, error);
    if (!saysSomethingAboutTheData(error)) throw error;
    run.ports.log.warn({ tier, check: name, err: error }, "verification step failed");
    run.checks.push({ tier, name, status: "failed", detail: asHoldfastError(error).message, differences: [] });
  }
  return run.checks.slice(before).every((check) => check.status !== "failed");
}

const DATA_FAULTS = ["OBJECT_DAMAGED", "OBJECT_NOT_FOUND", "STREAM_DAMAGED", "FORMAT_INVALID", "CHAIN_BROKEN", "TOOL_FAILED", "SANDBOX_FAILED", "KEY_WRONG", "GAP"] as const;

/** Damaged data makes a tool fail or crash; these signals come from people, limits and the kernel's want of memory. */
const SIGNALS_FROM_OUTSIDE: readonly unknown[] = ["SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGXFSZ", "SIGXCPU"];

function wasEndedFromOutside(error: unknown): boolean {
  if (!(error instanceof HoldfastError)) return false;
  return SIGNALS_FROM_OUTSIDE.includes(error.details["killedBy"]) || wasEndedFromOutside(error.cause);
}

function saysSomethingAboutTheData(error: unknown): boolean {
  if (wasEndedFromOutside(error)) return false;
  return DATA_FAULTS.some((code) => isHoldfastError(error, code));
}
