import { join } from "node:path";
import { delay } from "../../src/lib/clock.ts";
import { api } from "../../src/model/api/index.ts";
import type { Job } from "../../src/model/job.ts";
import type { RestorePlan, RestoreTarget } from "../../src/model/restore.ts";
import type { VerificationResult } from "../../src/model/verification.ts";
import { makeFault } from "./faults.ts";
import type { Ground } from "./ground.ts";
import type { Invariants, Violation } from "./invariants.ts";
import { LogWatch } from "./log-watch.ts";
import type { FaultPlan, RoundPlan } from "./plan.ts";
import { jobKindOf, type LogLine, type Scenario } from "./states.ts";
import { emptyServer, targetFaults } from "./targets.ts";

const SEE_STATE_MS = 60_000;
const JOB_LIMIT_MS = 150_000;
const LONGEST_CHAIN = 3;

export interface FaultResult {
  readonly plan: FaultPlan;
  /** False when the state passed by, or its process never came. */
  readonly wasMade: boolean;
  /** How the job that the fault met ended. */
  readonly ended: string;
  /** Holdfast ended by itself, without being killed. */
  readonly endedItself: boolean;
  readonly violations: readonly Violation[];
}

interface Begun {
  readonly job: Job;
  readonly targetPath?: string;
  readonly plan?: RestorePlan;
}

let targets = 0;

/** Asks for the work that the fault is to meet. */
async function begin(ground: Ground, plan: FaultPlan): Promise<Begun> {
  const { scenario } = plan.state;
  await ground.setPace(scenario === "slow backup" ? "slow" : "full");
  const { client, holdfast } = ground.up();
  if (jobKindOf(scenario) === "backup") return client.call(api.backups.run, { instance: "shop", kind: plan.backupKind });
  if (scenario === "verify") return client.call(api.backups.verify, { backupId: (await holdfast.newestBackup())?.backupId ?? "", tier: "T4" });
  if (scenario === "ship") return { job: await shipJob(ground) };
  // So that there is log to replay.
  await holdfast.waitUntilShipped(await ground.logPosition());
  targets += 1;
  const targetPath = join(ground.targetPath, `t${String(targets)}`);
  const target = await targetOf(ground, scenario, targetPath);
  return { ...(await client.call(api.restores.run, { instance: "shop", goal: { kind: "latest" }, allowGap: false, target })), targetPath };
}

async function targetOf(ground: Ground, scenario: Scenario, path: string): Promise<RestoreTarget> {
  if (scenario === "restore" || scenario === "served restore") return { kind: "directory", path, start: scenario === "served restore" };
  const table = { kind: "table", schema: "shop", table: "orders" } as const;
  if (scenario === "restore table") return { ...table, sqlPath: path };
  const other = await emptyServer(ground);
  return { ...table, into: { ...other.connection } };
}

async function shipJob(ground: Ground): Promise<Job> {
  for (const endMs = Date.now() + SEE_STATE_MS; Date.now() < endMs; await delay(100)) {
    const { jobs } = await ground.up().client.call(api.jobs.list, { kind: "ship", state: "running", limit: 1 });
    if (jobs[0] !== undefined) return jobs[0];
  }
  throw new Error(`no log was shipped for ${String(SEE_STATE_MS / 1_000)} s`);
}

/** Lines about a job's own attempts; what is said of an attempt without its job is known by the claim. */
function linesOf(job: Job, seen: (line: LogLine) => boolean): (line: LogLine) => boolean {
  const attempts = new Set<unknown>(job.attempts.map(({ attemptId }) => attemptId));
  return (line) => {
    if (line["jobId"] === job.jobId && line["attemptId"] !== undefined) attempts.add(line["attemptId"]);
    return attempts.has(line["attemptId"]) && seen(line);
  };
}

/** One fault in the real processes: work begins, its state is seen, the fault is made and taken back, the work comes to an end, and the next run works. */
export async function runFault(ground: Ground, plan: FaultPlan): Promise<FaultResult> {
  const watch = new LogWatch(ground.logPath);
  const begun = await begin(ground, plan);
  const { seen } = plan.state;
  const isThere = seen === null || (await watch.until(linesOf(begun.job, seen), SEE_STATE_MS));
  const wasMade = isThere && (await makeFault(ground, plan));
  const violations: Violation[] = [];
  if (plan.process === "source" && plan.fault === "kill") {
    violations.push(...asViolations("every listed backup restores", await ground.witness.stopWriting()));
    await ground.witness.startWriting();
  }
  await delay(50);
  const wasDown = await ground.ensureUp();
  const job = plan.state.scenario === "ship" ? await shipJob(ground) : await settled(ground, begun.job.jobId);
  if (begun.targetPath !== undefined) violations.push(...asViolations("every listed backup restores", await targetFaults(ground, plan.state.scenario, begun, job)));
  violations.push(...asViolations("the next run works", endFaults(job)));
  if (job.state !== "succeeded" && plan.state.scenario !== "ship") violations.push(...(await nextRunFaults(ground, plan)));
  await ground.setPace("full");
  const ended = job.state === "failed" ? `failed (${String(job.error?.code)})` : job.state;
  return { plan, wasMade, ended, endedItself: wasDown && !(plan.process === "holdfast" && plan.fault === "kill"), violations };
}

const asViolations = (invariant: Violation["invariant"], whats: readonly string[]): Violation[] => whats.map((what) => ({ invariant, what }));

/** The job once nothing more happens to it; a Holdfast that ends meanwhile is started again. */
async function settled(ground: Ground, jobId: string): Promise<Job> {
  let last: Job | undefined;
  for (const endMs = Date.now() + JOB_LIMIT_MS; Date.now() < endMs; await delay(200)) {
    await ground.ensureUp();
    last = await ground.up().client.call(api.jobs.show, { jobId }).then(({ job }) => job, () => last);
    if (last !== undefined && !["due", "running", "committing"].includes(last.state)) return last;
  }
  throw new Error(`job ${jobId} did not end within ${String(JOB_LIMIT_MS / 1_000)} s: ${JSON.stringify(last)}`);
}

/** No backup is called bad because the machine it was verified on had a bad day, and no bad day is called a fault of the program. */
function endFaults(job: Job): string[] {
  if (job.error?.code === "INTERNAL") return [`a ${job.kind} job ended as a fault of Holdfast itself: ${job.error.message}`];
  if (job.kind !== "verify" || job.state !== "succeeded") return [];
  const { status, checks } = job.result as VerificationResult;
  return status === "passed" ? [] : [`a whole backup was called bad: ${checks.filter((check) => check.status === "failed").map(({ tier, name, detail }) => `${tier} ${name}: ${detail}`).join("; ")}`];
}

/** Work of the same kind, asked for after the fault is gone, must succeed at once. */
async function nextRunFaults(ground: Ground, plan: FaultPlan): Promise<Violation[]> {
  const begun = await begin(ground, plan);
  const job = await settled(ground, begun.job.jobId);
  const failed = job.state === "succeeded" ? [] : [`after it, a ${jobKindOf(plan.state.scenario)} job ended as ${job.state}: ${job.error?.message ?? "without an error"}`];
  return [...asViolations("the next run works", failed), ...asViolations("every listed backup restores", begun.targetPath === undefined ? [] : await targetFaults(ground, plan.state.scenario, begun, job))];
}

export interface RoundResult {
  readonly faults: readonly FaultResult[];
  readonly violations: readonly Violation[];
}

/** The faults of a round under a writer, one more backup, and all invariants. */
export async function runRound(ground: Ground, invariants: Invariants, round: Pick<RoundPlan, "faults">): Promise<RoundResult> {
  await ground.witness.startWriting();
  const faults: FaultResult[] = [];
  const violations: Violation[] = [];
  try {
    for (const plan of round.faults) {
      const result = await runFault(ground, plan);
      faults.push(result);
      violations.push(...result.violations);
    }
    await takeBackup(ground);
  } catch (error) {
    violations.push(...asViolations("the next run works", [error instanceof Error ? error.message : String(error)]));
  }
  violations.push(...asViolations("every listed backup restores", await ground.witness.stopWriting()));
  await ground.ensureUp();
  await ground.setPace("full");
  violations.push(...(await invariants.check()));
  return { faults, violations };
}

/** A backup on the newest chain, or a new chain when that one is long. */
export async function takeBackup(ground: Ground): Promise<void> {
  const { holdfast, client } = ground.up();
  const newest = await holdfast.newestBackup();
  const { chain } = newest === undefined ? { chain: [] } : await client.call(api.backups.show, { backupId: newest.backupId });
  await holdfast.backUp(chain.length === 0 || chain.length >= LONGEST_CHAIN ? "full" : "incremental");
}
