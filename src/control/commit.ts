import { type AttemptRow, attemptsInState, findAttempt, moveAttempt, workOf } from "../catalog/attempts.ts";
import { backupRow, insertBackup } from "../catalog/backups.ts";
import { findInstance } from "../catalog/instances.ts";
import { getJobRow, moveJob } from "../catalog/jobs.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { isoTime } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Signed } from "../lib/signing.ts";
import type { HookFailure } from "../model/hook.ts";
import type { BackupOrder, BackupReport, ResealReport, Work } from "../model/job.ts";
import { backupPrefix, INDEX_NAME, type Manifest, MANIFEST_KIND, manifestKey, manifestSchema, packName } from "../model/manifest.ts";
import type { Storage } from "../storage/storage.ts";
import { DAMAGED_FINDING_KIND } from "./damage.ts";
import { succeedAttempt } from "./end-attempt.ts";
import { clear, raise } from "./findings.ts";
import { recordHooks } from "./hook-findings.ts";
import { type LeaseClaim, requireLease } from "./leases.ts";
import { decideLineage } from "./lineage.ts";
import { lockCommitted, lockParents } from "./lock-committed.ts";
import { repositoryIdOf } from "./open-repository.ts";
import { type ControlPorts, storageOf } from "./ports.ts";
import { insertNextReseal, nextResealId, resealedManifest } from "./reseal.ts";
import { insertVerifyJobAfter } from "./scheduler.ts";
import { documentFacts, writeDocument } from "./stored-document.ts";

/** What an attempt reports that has stored a backup. */
type CommitReport = (BackupReport & { readonly hookFailures?: readonly HookFailure[] | undefined }) | ResealReport;

/** The job's result. `nextJobId`: the job that reseals the next link of the chain. */
interface CommitResult extends Pick<CommitReport, "phases"> {
  readonly backupId: string;
  readonly nextJobId?: string;
  /** Hooks after the backup that failed. */
  readonly hookFailures?: readonly HookFailure[];
}

/**
 * Commits a backup, taken or resealed: checks the lease, the names and every stored object, writes down what the signed manifest will be
 * (from then on the attempt is `committing` and the server alone finishes it), stores the manifest write-once, then
 * commits in the catalog. Doing it again after any interruption gives the same backup.
 */
export async function commitBackup(ports: ControlPorts, claim: LeaseClaim, report: CommitReport): Promise<void> {
  const attempt = await requireLease(ports.catalog.db, claim, ["running", "committing", "committed"]);
  if (attempt.state === "committed") return;
  if (attempt.state === "running") await decideCommit(ports, claim, attempt, report);
  await completeCommit(ports, attempt.id);
}

async function decideCommit(ports: ControlPorts, claim: LeaseClaim, attempt: AttemptRow, report: CommitReport): Promise<void> {
  const work = workOf(attempt);
  const job = await getJobRow(ports.catalog.db, attempt.jobId);
  if (work.kind !== report.kind || job.instanceId === null) throw new HoldfastError("INPUT_INVALID", `Attempt ${attempt.id} is of a ${work.kind} job, but a ${report.kind} was reported.`);
  checkNames(attempt.id, report);
  const storage = storageOf(ports, attempt.repository);
  await checkStored(storage, backupPrefix(job.instanceId, attempt.id), report);
  const parentId = parentOf(work);
  if (parentId !== null) await requireParentStored(ports, storage, { instanceId: job.instanceId, attemptId: attempt.id, parentId });
  const repositoryId = await repositoryIdOf(ports, attempt.repository);

  await inTransaction(ports.catalog.db, async (db) => {
    // Checking may have taken minutes: the lease decides again, in the transaction that ends its meaning.
    await requireLease(db, claim);
    const manifest = await manifestFor(ports, db, { attempt, work, report, repositoryId });
    const document = JSON.stringify(ports.signer.sign(MANIFEST_KIND, manifest));
    const nextJobId = nextResealId(ports, job);
    const hookFailures = (report.kind === "backup" ? report.hookFailures : undefined) ?? [];
    const result: CommitResult = { backupId: attempt.id, phases: report.phases, ...(nextJobId === null ? {} : { nextJobId }), ...(hookFailures.length === 0 ? {} : { hookFailures }) };
    const patch = { commitDocument: document, commitResult: JSON.stringify(result) };
    await moveAttempt(db, attempt.id, { from: ["running"], to: "committing", patch });
    await moveJob(db, attempt.jobId, { from: ["running"], to: "committing" });
  });
  ports.log.info({ attemptId: attempt.id }, "commit is decided");
}

function parentOf(work: Work): string | null {
  if (work.kind === "reseal") return work.parentId;
  return work.kind === "backup" ? (work.parent?.backupId ?? null) : null;
}

function checkNames(attemptId: string, report: CommitReport): void {
  const misnamed = report.packs.find((pack, number) => pack.name !== packName(number));
  const wrong = misnamed?.name ?? (report.index.name === INDEX_NAME ? undefined : report.index.name);
  if (wrong !== undefined) throw new HoldfastError("INPUT_INVALID", `The report of attempt ${attemptId} names an object ${wrong} where another belongs.`);
}

/** Compares what was reported with what is stored: every object there, each with its size, and nothing besides. */
async function checkStored(storage: Storage, prefix: string, report: CommitReport): Promise<void> {
  const expected = new Map([...report.packs, report.index].map((part) => [`${prefix}${part.name}`, part.sizeBytes]));
  for await (const { key, sizeBytes } of storage.list(prefix)) {
    const promised = expected.get(key);
    if (promised === undefined) throw new HoldfastError("OBJECT_DAMAGED", `${key} lies in storage, but the report does not name it.`);
    if (promised !== sizeBytes) throw new HoldfastError("OBJECT_DAMAGED", `${key} has ${String(sizeBytes)} bytes in storage; the report says ${String(promised)}.`);
    expected.delete(key);
  }
  for (const [key, promised] of expected) {
    // A listing may lag behind; an answer about one key does not.
    const found = await storage.stat(key);
    if (found === null) throw new HoldfastError("OBJECT_NOT_FOUND", `${key} was reported as stored, but it is not there.`);
    if (found.sizeBytes !== promised) throw new HoldfastError("OBJECT_DAMAGED", `${key} has ${String(found.sizeBytes)} bytes in storage; the report says ${String(promised)}.`);
  }
}

/** An incremental is worth nothing without its parent: the catalog's word for that is not enough. The finding keeps the parent from being built on again. */
async function requireParentStored(ports: ControlPorts, storage: Storage, link: { instanceId: string; attemptId: string; parentId: string }): Promise<void> {
  const key = manifestKey(link.instanceId, link.parentId);
  if ((await storage.stat(key)) !== null) return;
  const remedy = "Run `holdfast repository check`; the next backup builds on another one or is a full.";
  const message = `Backup ${link.parentId} is damaged in storage: ${key} is not in the repository.`;
  await raise(ports, ports.catalog.db, { kind: DAMAGED_FINDING_KIND, subject: `backup:${link.parentId}`, severity: "critical", message, remedy });
  throw new HoldfastError("CHAIN_BROKEN", `The incremental ${link.attemptId} builds on backup ${link.parentId}, whose manifest ${key} is not in the repository.`, { hint: remedy });
}

async function manifestFor(ports: ControlPorts, db: CatalogDb, from: { attempt: AttemptRow; work: Work; report: CommitReport; repositoryId: string }): Promise<Manifest> {
  const { attempt, work, report, repositoryId } = from;
  if (work.kind === "backup" && report.kind === "backup") return buildManifest(ports, db, { attempt, work, report, repositoryId });
  if (work.kind === "reseal" && report.kind === "reseal") return resealedManifest(ports, db, { attempt, work, report });
  throw new HoldfastError("INTERNAL", `Attempt ${attempt.id} of a ${work.kind} job cannot be committed with a ${report.kind} report.`);
}

async function buildManifest(
  ports: ControlPorts,
  db: CatalogDb,
  from: { attempt: AttemptRow; work: BackupOrder; report: BackupReport; repositoryId: string },
): Promise<Manifest> {
  const { attempt, work, report, repositoryId } = from;
  const job = await getJobRow(db, attempt.jobId);
  const instance = await findInstance(db, job.instanceId ?? "");
  const lineage = await decideLineage(ports, db, { instanceId: instance.id, attempt, work, facts: report.facts });
  return manifestSchema.parse({
    formatVersion: 1,
    repositoryId,
    backupId: attempt.id,
    jobId: job.id,
    instance: { id: instance.id, name: instance.name, engine: instance.engine, createdAt: instance.createdAt },
    policy: job.policy ?? instance.policy,
    kind: work.backupKind,
    ...lineage,
    scheduledAt: job.scheduledAt,
    startedAt: attempt.startedAt,
    endedAt: isoTime(ports.clock.nowMs()),
    stream: report.stream,
    packs: report.packs,
    index: report.index,
    recipients: work.sealing.recipients,
    facts: report.facts,
  } satisfies Manifest);
}

/** Second half of a commit, from what the catalog holds alone; the same however often it is begun. */
export async function completeCommit(ports: ControlPorts, attemptId: string): Promise<void> {
  const attempt = await findAttempt(ports.catalog.db, attemptId);
  if (attempt.state === "committed") return;
  if (attempt.state !== "committing" || attempt.commitDocument === null) {
    throw new HoldfastError("LEASE_LOST", `Attempt ${attemptId} may not go on: it is ${attempt.state}.`);
  }
  const document = attempt.commitDocument;
  const manifest = manifestSchema.parse((JSON.parse(document) as Signed<unknown>).body);
  const { repository } = attempt;
  const prefix = backupPrefix(manifest.instance.id, attemptId);
  // Before the manifest: a backup that exists is locked, with all that it builds on.
  if (manifest.parentId !== null) await lockParents(ports, { repository, policy: manifest.policy, parentId: manifest.parentId });
  await lockCommitted(ports, { repository, policy: manifest.policy, keys: [...manifest.packs, manifest.index].map(({ name }) => `${prefix}${name}`) });
  const key = manifestKey(manifest.instance.id, attemptId);
  await writeDocument(storageOf(ports, repository), key, document);
  await lockCommitted(ports, { repository, policy: manifest.policy, keys: [key] });
  ports.log.info({ attemptId }, "manifest is stored");
  await inTransaction(ports.catalog.db, async (db) => {
    const result = JSON.parse(attempt.commitResult ?? "null") as CommitResult | null;
    if (!(await succeedAttempt(ports, db, attempt, result))) return;
    await insertBackup(db, backupRow(manifest, { repository: attempt.repository, document: documentFacts(document) }));
    if (result?.nextJobId !== undefined) await insertNextReseal(ports, db, { attempt, jobId: result.nextJobId });
    await insertVerifyJobAfter(ports, db, manifest);
    if (workOf(attempt).kind === "backup") await recordHooks(ports, db, { attemptId, instanceId: manifest.instance.id, failures: result?.hookFailures ?? [] });
    await clear(ports, db, commitFinding(attemptId));
  });
  ports.log.info({ attemptId, kind: manifest.kind, instance: manifest.instance.name, packs: manifest.packs.length }, "backup committed");
}

const commitFinding = (attemptId: string): { kind: string; subject: string } => ({ kind: "commit-unfinished", subject: `attempt:${attemptId}` });

/**
 * Finishes commits that a crash or a failing repository has cut short; for the start and for every now and then. An
 * attempt that cannot be finished yet stays `committing`, with a finding: its objects are whole and nothing else may
 * touch them. Returns how many were finished.
 */
export async function finishInterruptedCommits(ports: ControlPorts): Promise<number> {
  let finished = 0;
  for (const attempt of await attemptsInState(ports.catalog.db, "committing")) {
    try {
      await completeCommit(ports, attempt.id);
      finished += 1;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      ports.log.error({ attemptId: attempt.id, err: error }, "commit cannot be finished");
      const words = { severity: "critical", message: `Backup ${attempt.id} is stored but not committed: ${why}`, remedy: "Make the repository writable; the commit is tried again." } as const;
      await raise(ports, ports.catalog.db, { ...commitFinding(attempt.id), ...words });
    }
  }
  return finished;
}
