import { type AttemptRow, findAttempt, workOf } from "../catalog/attempts.ts";
import { findInstance } from "../catalog/instances.ts";
import { getJobRow } from "../catalog/jobs.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { asHoldfastError, type ErrorRecord, fromErrorRecord, HoldfastError, toErrorRecord } from "../lib/errors.ts";
import type { HookFailure } from "../model/hook.ts";
import type { Outcome, Report } from "../model/job.ts";
import { finishCheck } from "./check-results.ts";
import { commitBackup } from "./commit.ts";
import { cancelAttempt, failAttempt, succeedAttempt } from "./end-attempt.ts";
import { raiseHookFailures } from "./hook-findings.ts";
import { type LeaseClaim, type Leases, requireLease } from "./leases.ts";
import type { ControlPorts, ControlSettings } from "./ports.ts";
import { recordProbe } from "./probe-results.ts";
import { blamedSegments, doubtSegments, tryBringTailsBack } from "./replaced-tails.ts";
import { endTimelineAfter } from "./timelines.ts";
import { finishVerification } from "./verification-results.ts";

type Small = Exclude<Report, { kind: "backup" | "reseal" | "verify" | "check" }>;

/**
 * Ends an attempt as its agent reports it; a backup or verification is committed before the answer. Reporting twice
 * gives the same answer. LEASE_LOST when the work was given away. An error that may pass (the repository does not
 * answer) leaves the attempt as it is: report again. Any other fault in what was reported fails the attempt.
 * Gives the state of the job.
 */
export async function finishAttempt(
  ports: ControlPorts,
  around: { leases: Leases; settings: Pick<ControlSettings, "maxAttempts"> },
  claim: LeaseClaim,
  outcome: Outcome,
): Promise<{ state: string }> {
  const attempt = await requireLease(ports.catalog.db, claim, ["running", "committing", "committed", "failed", "cancelled"]);
  try {
    if (attempt.state === "running" || attempt.state === "committing") await end(ports, around.settings, { claim, attempt, outcome });
  } catch (error) {
    await failUnlessPassing(ports, around.settings, claim, error);
    throw error;
  }
  around.leases.end(attempt.id);
  return { state: (await getJobRow(ports.catalog.db, attempt.jobId)).state };
}

async function end(ports: ControlPorts, settings: Pick<ControlSettings, "maxAttempts">, call: { claim: LeaseClaim; attempt: AttemptRow; outcome: Outcome }): Promise<void> {
  const { claim, attempt, outcome } = call;
  if (outcome.status === "done") {
    const { report } = outcome;
    if (report.kind === "backup") return commitBackup(ports, claim, { ...report, hookFailures: outcome.hookFailures });
    if (report.kind === "reseal") return commitBackup(ports, claim, report);
    if (report.kind === "verify") return finishVerification(ports, claim, report.result);
    if (report.kind === "check") return finishCheck(ports, claim);
    return inTransaction(ports.catalog.db, (db) => succeedSmall(ports, db, attempt, report));
  }
  if (attempt.state === "committing") throw new HoldfastError("CONFLICT", `Attempt ${attempt.id} is being committed and cannot be ended as ${outcome.status}.`);
  await inTransaction(ports.catalog.db, async (db) => {
    await requireLease(db, claim);
    if (outcome.status === "cancelled") await cancelAttempt(ports, db, attempt);
    else await failFor(ports, db, attempt, { error: knownError(outcome.error), settings });
    if (outcome.hookFailures !== undefined) await raiseForJob(ports, db, attempt, outcome.hookFailures);
  });
  if (outcome.status === "failed") await tryBringTailsBack(ports);
}

async function raiseForJob(ports: ControlPorts, db: CatalogDb, attempt: AttemptRow, failures: readonly HookFailure[]): Promise<void> {
  const { instanceId } = await getJobRow(db, attempt.jobId);
  if (instanceId !== null) await raiseHookFailures(ports, db, { attemptId: attempt.id, instanceId, failures });
}

/** An agent of another version may know codes that this one does not. */
function knownError(error: Extract<Outcome, { status: "failed" }>["error"]): ErrorRecord {
  return toErrorRecord(fromErrorRecord(error));
}

/** Work whose result needs no document of its own in the repository. */
async function succeedSmall(ports: ControlPorts, db: CatalogDb, attempt: AttemptRow, report: Small): Promise<void> {
  const job = await getJobRow(db, attempt.jobId);
  if (job.kind !== report.kind) throw new HoldfastError("INPUT_INVALID", `Attempt ${attempt.id} is of a ${job.kind} job, but a ${report.kind} was reported.`);
  if (report.kind === "ship" && job.cancelRequested !== 0) {
    await cancelAttempt(ports, db, attempt);
    return;
  }
  if (!(await succeedAttempt(ports, db, attempt, resultOf(report)))) return;
  if (report.kind === "probe" && job.instanceId !== null) await recordProbe(ports, db, await findInstance(db, job.instanceId), report.report);
}

function resultOf(report: Small): unknown {
  switch (report.kind) {
    case "ship":
      return null;
    case "restore":
      return report.result;
    case "probe":
      return report.report;
  }
}

/** A report that can never be accepted must not be reported for ever: its attempt fails with the reason. */
async function failUnlessPassing(ports: ControlPorts, settings: Pick<ControlSettings, "maxAttempts">, claim: LeaseClaim, thrown: unknown): Promise<void> {
  const error = asHoldfastError(thrown);
  if (error.row.retry || error.code === "LEASE_LOST" || error.code === "CONFLICT") return;
  const attempt = await findAttempt(ports.catalog.db, claim.attemptId);
  if (attempt.state !== "running") return;
  await inTransaction(ports.catalog.db, (db) => failFor(ports, db, attempt, { error: toErrorRecord(error), settings }));
}

/** Fails an attempt; what says that the log cannot go on ends its timeline in the same transaction. */
async function failFor(ports: ControlPorts, db: CatalogDb, attempt: AttemptRow, why: { error: ErrorRecord; settings: Pick<ControlSettings, "maxAttempts"> }): Promise<void> {
  if ((await failAttempt(ports, db, attempt, { to: "failed", ...why })) === null) return;
  const { instanceId } = await getJobRow(db, attempt.jobId);
  if (instanceId !== null) await endTimelineAfter(ports, db, { instanceId, timeline: attempt.timeline, code: why.error.code });
  const work = workOf(attempt);
  if (work.kind === "restore") await doubtSegments(ports, db, blamedSegments(work.plan.segments, why.error), `a restore failed at it: ${why.error.message}`);
}
