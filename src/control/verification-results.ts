import { workOf, type AttemptRow } from "../catalog/attempts.ts";
import { findBackup } from "../catalog/backups.ts";
import { getJobRow, paramsOf } from "../catalog/jobs.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { insertVerification, newestVerifications } from "../catalog/verifications.ts";
import { isoTime } from "../lib/clock.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { type Signed, verifySigned } from "../lib/signing.ts";
import type { VerifyOrder } from "../model/job.ts";
import { verificationKey } from "../model/manifest.ts";
import { TIERS } from "../model/policy.ts";
import { type CheckResult, type Phase, VERIFICATION_KIND, type VerificationReport, verificationReportSchema, type VerificationResult } from "../model/verification.ts";
import { succeedAttempt } from "./end-attempt.ts";
import { clear, raise } from "./findings.ts";
import { type LeaseClaim, requireLease } from "./leases.ts";
import { repositoryIdOf } from "./open-repository.ts";
import { type ControlPorts, storageOf } from "./ports.ts";
import { doubtSegments, keepForLonger, REPLACED_FINDING_KIND, segmentsNamed, tryBringTailsBack } from "./replaced-tails.ts";
import { readDocument, writeDocument } from "./stored-document.ts";

const FINDING_KIND = "verification-failed";
const MEASURED_PHASES = ["fetch", "prepare", "start", "logs", "replay"];

/**
 * Takes what a sandbox measured: signs and stores the report in the backup's repository, then records it, ends the
 * attempt and opens or closes the finding in one transaction. Doing it again gives the same report.
 */
export async function finishVerification(ports: ControlPorts, claim: LeaseClaim, measured: VerificationResult): Promise<void> {
  const attempt = await requireLease(ports.catalog.db, claim);
  const work = workOf(attempt);
  if (work.kind !== "verify") throw new HoldfastError("INPUT_INVALID", `Attempt ${attempt.id} is not of a verification, but one was reported.`);
  const result = await withNote(ports.catalog.db, attempt, work, measured);
  const draft = await reportOf(ports, attempt, work, result);
  const { report, document } = await storeReport(ports, attempt, draft);
  await inTransaction(ports.catalog.db, async (db) => {
    await requireLease(db, claim);
    const jobResult = { ...result, counts: [], verificationId: report.verificationId, reportKey: verificationKey(report.verificationId) };
    if (!(await succeedAttempt(ports, db, attempt, jobResult))) return;
    // Before the report counts: a pass takes back only what it proves.
    if (report.status === "passed") await clearProven(ports, db, report);
    await insertVerification(db, { report, document, counts: result.counts.length === 0 ? null : result.counts });
    if (report.status === "failed") {
      await raiseFailure(ports, db, report);
      await doubtLog(ports, db, work, result);
    }
  });
  await tryBringTailsBack(ports);
}

/** What a check names is to blame; where none is named, all the log that was used may be. */
async function doubtLog(ports: ControlPorts, db: CatalogDb, { segments }: VerifyOrder, { checks }: VerificationResult): Promise<void> {
  await keepForLonger(ports, db, segments.map(({ segment }) => segment.segmentId));
  for (const { tier, name, detail } of checks.filter(({ status }) => status === "failed")) {
    await doubtSegments(ports, db, segmentsNamed(segments, detail), `a verification failed at it (${tier} ${name}): ${detail}`);
  }
}

/** When T4 was asked for and the log did not reach, the report says so instead of passing as T4. */
async function withNote(db: CatalogDb, attempt: AttemptRow, work: VerifyOrder, result: VerificationResult): Promise<VerificationResult> {
  const params = paramsOf(await getJobRow(db, attempt.jobId));
  if (params.kind !== "verify" || params.tier === work.tier) return result;
  const detail = `${params.tier} was asked for; the stored log does not reach a recorded position of this backup, so this is ${work.tier}`;
  return { ...result, checks: [...result.checks, { tier: params.tier, name: "replay", status: "skipped", detail, differences: [] }] };
}

async function reportOf(ports: ControlPorts, attempt: AttemptRow, work: VerifyOrder, result: VerificationResult): Promise<VerificationReport> {
  const tip = work.chain.at(-1);
  if (tip === undefined) throw new HoldfastError("INTERNAL", `The order of attempt ${attempt.id} names no backup.`);
  const backup = await findBackup(ports.catalog.db, tip.backupId);
  return {
    formatVersion: 1,
    verificationId: attempt.id,
    repositoryId: await repositoryIdOf(ports, backup.repository),
    instance: { id: backup.instanceId, name: backup.instanceName },
    backupId: backup.backupId,
    chain: work.chain.map((link) => link.backupId),
    segmentIds: work.segments.map(({ segment }) => segment.segmentId),
    tier: work.tier,
    status: result.status,
    startedAt: attempt.startedAt,
    endedAt: isoTime(ports.clock.nowMs()),
    checks: result.checks.map(withoutNames),
    phases: result.phases,
    restoreMs: measuredMs(result.phases),
    replayedTo: result.replayedTo,
    toolVersions: result.toolVersions,
  };
}

/** The report lies in the clear: what differs names tables, so it stays in the job's result. */
function withoutNames(check: CheckResult): CheckResult {
  if (check.status !== "failed") return { ...check, differences: [] };
  const count = check.differences.length;
  return { ...check, detail: `failed${count === 0 ? "" : ` with ${String(count)} ${count === 1 ? "difference" : "differences"}`}; the job's result names them`, differences: [] };
}

function measuredMs(phases: readonly Phase[]): number {
  return Math.round(phases.filter((phase) => MEASURED_PHASES.includes(phase.name)).reduce((sum, phase) => sum + phase.durationMs, 0));
}

/** Stores the signed report; one that a crash left there already is the report. */
async function storeReport(ports: ControlPorts, attempt: AttemptRow, draft: VerificationReport): Promise<{ report: VerificationReport; document: string }> {
  const storage = storageOf(ports, attempt.repository);
  const key = verificationKey(draft.verificationId);
  const document = JSON.stringify(ports.signer.sign(VERIFICATION_KIND, draft));
  try {
    await writeDocument(storage, key, document);
    return { report: draft, document };
  } catch (error) {
    if (!isHoldfastError(error, "OBJECT_EXISTS")) throw error;
    const stored = await readDocument(storage, key);
    const body = verifySigned(JSON.parse(stored) as Signed<unknown>, { kind: VERIFICATION_KIND, publicKey: ports.signer.publicKey, name: key });
    return { report: verificationReportSchema.parse(body), document: stored };
  }
}

const subjectOf = (backupId: string): string => `backup:${backupId}`;

async function raiseFailure(ports: ControlPorts, db: CatalogDb, report: VerificationReport): Promise<void> {
  const failed = report.checks.filter((check) => check.status === "failed").map((check) => `${check.tier} ${check.name}`);
  await raise(ports, db, {
    kind: FINDING_KIND,
    subject: subjectOf(report.backupId),
    severity: "critical",
    message: `Backup ${report.backupId} of ${report.instance.name} did not pass its ${report.tier} verification: ${failed.join(", ")} failed.`,
    remedy: `Do not rely on this backup: take a new full (\`holdfast backup run ${report.instance.name} --kind full\`) and read \`holdfast backup show ${report.backupId}\`.`,
  });
}

/** A pass proves every link of its chain, up to its own tier, and that there is log to replay again. */
async function clearProven(ports: ControlPorts, db: CatalogDb, report: VerificationReport): Promise<void> {
  const verdicts = await newestVerifications(db, report.chain);
  if (report.replayedTo !== null) await clear(ports, db, { kind: REPLACED_FINDING_KIND, subject: `instance:${report.instance.id}` });
  for (const backupId of report.chain) {
    const before = verdicts.get(backupId);
    const isProven = before === undefined || TIERS.indexOf(before.tier) <= TIERS.indexOf(report.tier);
    if (isProven) await clear(ports, db, { kind: FINDING_KIND, subject: subjectOf(backupId) });
  }
}
