import type { AttemptRow } from "../catalog/attempts.ts";
import { findBackup, getBackupRef, getManifest } from "../catalog/backups.ts";
import { findInstance } from "../catalog/instances.ts";
import { getJobRow, insertJob, type JobRow, paramsOf } from "../catalog/jobs.ts";
import { getPolicy } from "../catalog/policies.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { isoTime } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { JobParams } from "../model/job-params.ts";
import type { ResealOrder, ResealReport } from "../model/job.ts";
import { type Manifest, manifestSchema } from "../model/manifest.ts";
import type { Policy } from "../model/policy.ts";
import { isSealedTo } from "../model/reseal.ts";
import type { PlannedWork } from "./dispatch.ts";
import type { ControlPorts } from "./ports.ts";
import { sealingOf, type SealingPorts } from "./sealing.ts";

type ResealParams = Extract<JobParams, { kind: "reseal" }>;

/** The policy of an instance, whose recipients a reseal seals to; NOT_FOUND when the configuration no longer has it. */
export async function policyOfInstance(db: CatalogDb, instanceId: string): Promise<{ name: string; spec: Policy }> {
  const { name: instance, policy: name } = await findInstance(db, instanceId);
  const policy = await getPolicy(db, name);
  if (policy !== null) return { name, spec: policy.spec };
  throw new HoldfastError("NOT_FOUND", `The configuration has no policy ${name}, which would say to whom backups of ${instance} are resealed.`, { hint: "Name it in the configuration and run `holdfast apply`." });
}

/** The order of one link. REFUSED when the recipients were changed since its parent was resealed: the chain would need two keys. */
export async function resealWork(db: CatalogDb, params: ResealParams, ports: SealingPorts): Promise<PlannedWork> {
  const source = await findBackup(db, params.backupId);
  const policy = await policyOfInstance(db, source.instanceId);
  const sealing = sealingOf(ports, policy);
  if (params.parentId !== null && !isSealedTo(await getManifest(db, params.parentId), sealing.recipients)) {
    throw new HoldfastError("REFUSED", `The recipients of policy ${policy.name} were changed while the chain of backup ${params.backupId} was resealed.`, { hint: "Ask again: `holdfast backup reseal` begins with the first link that must be sealed anew." });
  }
  const work: ResealOrder = { kind: "reseal", source: await getBackupRef(db, params.backupId), parentId: params.parentId, sealing };
  return { work, repository: source.repository, timeline: source.timeline };
}

/** The manifest of a resealed backup: what its source's says, with objects, ids and recipients of its own. */
export async function resealedManifest(
  ports: Pick<ControlPorts, "clock">,
  db: CatalogDb,
  { attempt, work, report }: { attempt: AttemptRow; work: ResealOrder; report: ResealReport },
): Promise<Manifest> {
  const source = await getManifest(db, work.source.backupId);
  const job = await getJobRow(db, attempt.jobId);
  const instance = await findInstance(db, source.instance.id);
  requireSamePlain(attempt.id, source, report);
  return manifestSchema.parse({
    ...source,
    backupId: attempt.id,
    jobId: job.id,
    instance: { id: instance.id, name: instance.name, engine: instance.engine, createdAt: instance.createdAt },
    policy: job.policy ?? instance.policy,
    parentId: work.parentId,
    chainId: work.parentId === null ? attempt.id : (await findBackup(db, work.parentId)).chainId,
    packs: report.packs,
    index: report.index,
    recipients: work.sealing.recipients,
    resealed: { from: source.resealed?.from ?? source.backupId, at: isoTime(ports.clock.nowMs()) },
  } satisfies Manifest);
}

function requireSamePlain(attemptId: string, source: Manifest, report: ResealReport): void {
  const plain = ({ packs, index }: Pick<Manifest, "packs" | "index">): string => JSON.stringify([...packs, index].map(({ name, plainBytes }) => [name, plainBytes]));
  if (plain(source) !== plain(report)) throw new HoldfastError("INPUT_INVALID", `The report of attempt ${attemptId} does not hold the packs of backup ${source.backupId}.`);
}

/** Id of the job that a commit will insert, or null; decided with it, so that whoever watches the job can go on with the next. */
export function nextResealId(ports: Pick<ControlPorts, "newId">, job: Pick<JobRow, "params">): string | null {
  const params = paramsOf(job);
  return params.kind === "reseal" && params.then.length > 0 ? ports.newId() : null;
}

/** In the transaction that commits one link, the job for the next: no crash ends a chain half-way. */
export async function insertNextReseal(ports: Pick<ControlPorts, "clock">, db: CatalogDb, { attempt, jobId }: { attempt: Pick<AttemptRow, "id" | "jobId">; jobId: string }): Promise<void> {
  const { instanceId, policy, ...job } = await getJobRow(db, attempt.jobId);
  const params = paramsOf(job);
  const [backupId, ...then] = params.kind === "reseal" ? params.then : [];
  if (backupId === undefined) return;
  const at = isoTime(ports.clock.nowMs());
  await insertJob(db, { jobId, instanceId, policy, scheduledAt: at, scheduleKey: null, subject: `of ${backupId}`, params: { kind: "reseal", backupId, parentId: attempt.id, then }, createdAt: at });
}
