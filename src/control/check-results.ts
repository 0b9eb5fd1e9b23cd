import { workOf, type AttemptRow } from "../catalog/attempts.ts";
import { openFindingsOfKind } from "../catalog/findings.ts";
import { getJobRow, paramsOf } from "../catalog/jobs.ts";
import { insertKeptDocument } from "../catalog/kept-documents.ts";
import { forgetObjectChecks, type KnownDamage, knownDamage, objectChecks, putSeenProblem, readBy } from "../catalog/object-checks.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { HoldfastError } from "../lib/errors.ts";
import { formatBytes } from "../lib/units.ts";
import type { CheckFinding, CheckResult, Extent } from "../model/check.ts";
import type { CheckOrder } from "../model/job.ts";
import { isStillExpected, segmentOfOwner } from "./check-expected.ts";
import { type Survey, surveyRepository } from "./check-survey.ts";
import { DAMAGED_FINDING_KIND, raiseDamage } from "./damage.ts";
import { succeedAttempt } from "./end-attempt.ts";
import { clear, raise } from "./findings.ts";
import { type LeaseClaim, requireLease } from "./leases.ts";
import type { ControlPorts } from "./ports.ts";
import { doubtSegments, tryBringTailsBack } from "./replaced-tails.ts";
import { documentFacts } from "./stored-document.ts";

const UNKNOWN_FINDING_KIND = "stored-object-unknown";
const UNKNOWN_SHOWN = 5;

/**
 * Ends a check whose objects were read: compares the whole repository with the catalog from outside, then records, in
 * one transaction, the result and one finding for each owner of damaged objects; what was found whole again closes.
 */
export async function finishCheck(ports: ControlPorts, claim: LeaseClaim): Promise<void> {
  const attempt = await requireLease(ports.catalog.db, claim);
  const work = workOf(attempt);
  if (work.kind !== "check") throw new HoldfastError("INPUT_INVALID", `Attempt ${attempt.id} is not of a check, but one was reported.`);
  const survey = await surveyRepository(ports, work.repository, work.depth);
  await inTransaction(ports.catalog.db, async (db) => {
    await requireLease(db, claim);
    // Before what is not stored any more is forgotten: it was read all the same.
    const read = await readBy(db, work.repository, attempt.jobId);
    const forgotten = await applySurvey(db, { repository: work.repository, checkId: attempt.jobId }, survey);
    const problems = await knownDamage(db, work.repository);
    const result = await resultOf(db, { attempt, work, survey }, { read, problems });
    if (!(await succeedAttempt(ports, db, attempt, result))) return;
    for (const { key, owner, detail } of problems) {
      const segmentId = segmentOfOwner(owner);
      if (segmentId !== null) await doubtSegments(ports, db, [segmentId], `the check found ${key} damaged (${detail}).`);
    }
    await settleFindings(ports, db, new Set([...[...survey.expected.values()].map(({ owner }) => owner), ...forgotten]), result);
  });
  await tryBringTailsBack(ports);
}

/** Gives the owners of what is not stored any more. */
async function applySurvey(db: CatalogDb, check: { repository: string; checkId: string }, survey: Survey): Promise<string[]> {
  const { repository, checkId } = check;
  const learnt = await objectChecks(db, repository);
  for (const { key, owner } of survey.expected.values()) {
    const before = learnt.get(key);
    const seen = survey.seen.get(key);
    if (seen !== undefined && before?.problem !== seen.problem) await putSeenProblem(db, repository, { key, owner, found: seen });
    // What reading has found, only reading takes back.
    const wasSeen = before?.problem === "missing" || (before?.problem === "size" && before.foundSha256 === null);
    if (seen === undefined && wasSeen && before.lastCheckId !== checkId) await putSeenProblem(db, repository, { key, owner, found: null });
  }
  for (const forged of survey.forged) await putSeenProblem(db, repository, { key: forged.key, owner: forged.owner, found: forged });
  const kept = new Set([...survey.expected.keys(), ...survey.forged.map(({ key }) => key)]);
  const gone = [...learnt].filter(([key]) => !kept.has(key));
  await forgetObjectChecks(db, repository, gone.map(([key]) => key));
  for (const { key, text } of survey.adopted) await insertKeptDocument(db, repository, { key, ...documentFacts(text) });
  return gone.map(([, { owner }]) => owner);
}

async function resultOf(
  db: CatalogDb,
  about: { attempt: AttemptRow; work: CheckOrder; survey: Survey },
  found: { read: Extent; problems: readonly KnownDamage[] },
): Promise<CheckResult> {
  const { attempt, work, survey } = about;
  const params = paramsOf(await getJobRow(db, attempt.jobId));
  const known = [...survey.expected.values()];
  return {
    repository: work.repository,
    depth: work.depth,
    sample: params.kind === "check" ? params.sample : null,
    known: { objects: known.length, bytes: known.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) },
    read: found.read,
    continued: work.before.objects > 0 ? { ...work.before, attempts: Math.max(attempt.number - 1, 1) } : null,
    problems: withSwaps(found.problems, survey),
    unknown: survey.unknown,
  };
}

/** Says of an object that holds what belongs in another place where that is. */
function withSwaps(problems: readonly KnownDamage[], { expected }: Survey): CheckFinding[] {
  const wanted = problems.some(({ foundSha256 }) => foundSha256 !== null) ? new Map([...expected.values()].map(({ sha256, key }) => [sha256, key])) : new Map<string, string>();
  return problems.map(({ foundSha256, ...problem }) => {
    const other = wanted.get(foundSha256 ?? "");
    return other === undefined || other === problem.key ? problem : { ...problem, detail: `${problem.detail}; it holds what belongs at ${other}` };
  });
}

/** `here` are the owners that this repository has, or had until now. */
async function settleFindings(ports: ControlPorts, db: CatalogDb, here: ReadonlySet<string>, { repository, problems, unknown }: CheckResult): Promise<void> {
  const byOwner = Map.groupBy(problems, ({ owner }) => owner);
  for (const [owner, found] of byOwner) await raiseDamage(ports, db, owner, found);
  for (const { subject } of await openFindingsOfKind(db, DAMAGED_FINDING_KIND)) {
    if (byOwner.has(subject)) continue;
    if (here.has(subject) || !(await isStillExpected(db, subject))) await clear(ports, db, { kind: DAMAGED_FINDING_KIND, subject });
  }
  await settleUnknown(ports, db, repository, unknown);
}

async function settleUnknown(ports: ControlPorts, db: CatalogDb, repository: string, unknown: CheckResult["unknown"]): Promise<void> {
  const about = { kind: UNKNOWN_FINDING_KIND, subject: `repository:${repository}` };
  if (unknown.length === 0) return clear(ports, db, about);
  const shown = unknown.slice(0, UNKNOWN_SHOWN).map(({ key, detail }) => `${key} (${detail})`);
  const more = unknown.length > UNKNOWN_SHOWN ? ` and ${String(unknown.length - UNKNOWN_SHOWN)} more` : "";
  const bytes = unknown.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return raise(ports, db, {
    ...about,
    severity: "warning",
    message: `Repository ${repository} holds ${String(unknown.length)} ${unknown.length === 1 ? "object" : "objects"} (${formatBytes(bytes)}) that nobody knows: ${shown.join("; ")}${more}.`,
    remedy: "If a backup is among them, run `holdfast catalog rebuild`; what is left over can be deleted by hand.",
  });
}
