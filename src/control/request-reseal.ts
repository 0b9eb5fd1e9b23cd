import { backupsResealedFrom, getManifest } from "../catalog/backups.ts";
import { openJobs } from "../catalog/jobs.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { piecesFrom } from "../catalog/segments.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Backup } from "../model/backup.ts";
import { chainOf, failedVerification } from "../model/chain.ts";
import { type Damage, isDamagedBackup } from "../model/damage.ts";
import type { JobParams } from "../model/job-params.ts";
import type { Job } from "../model/job.ts";
import { logFileNumber } from "../model/position.ts";
import { planReseal, type SealedLink } from "../model/reseal.ts";
import { knownDamageOf } from "./damage.ts";
import { submitJob } from "./dispatch.ts";
import { refuseWhileFrozen } from "./frozen.ts";
import { backupsOfInstance } from "./plan-restore.ts";
import type { ControlPorts } from "./ports.ts";
import { requireBackup } from "./requests.ts";
import { policyOfInstance } from "./reseal.ts";

type Link = Backup & SealedLink;

export interface ResealRequested {
  /** Reseals the first; each one's end begins the next. */
  readonly job: Job;
  /** Ids of the backups to be sealed anew, in order: the one that was asked for is the last. */
  readonly backupIds: string[];
  /** Pieces of log behind the backup, which stay sealed as they are. */
  readonly log: { readonly pieces: number; readonly storedBytes: number };
}

/**
 * Begins to seal a backup, and all that it builds on, anew to the recipients of its instance's policy. REFUSED when all of
 * it opens for them already or the chain failed its verification, OBJECT_DAMAGED when it is known to be damaged,
 * CHAIN_BROKEN, and CONFLICT while another reseal of the instance is under way.
 */
export async function requestReseal(ports: ControlPorts, backupId: string): Promise<ResealRequested> {
  const { db } = ports.catalog;
  const backup = await requireBackup(db, backupId);
  await refuseWhileFrozen(db, `To reseal backup ${backupId}`);
  const [open] = await openJobs(db, backup.instanceId, "reseal");
  if (open !== undefined) throw new HoldfastError("CONFLICT", `Backups of ${backup.instanceName} are being resealed by job ${open.id}.`, { hint: `Watch it with \`holdfast job watch ${open.id}\`, then ask again.` });
  const chain = chainOf(await backupsOfInstance(db, backup.instanceId), backupId);
  const damage = await knownDamageOf(db);
  refuseUnsound(damage, chain);
  const { name, spec } = await policyOfInstance(db, backup.instanceId);
  const { onto, links } = planReseal(await sealedLinks(db, chain), await soundCopies(db, damage, chain), spec.recipients ?? []);
  const [first, ...rest] = links;
  if (first === undefined) throw new HoldfastError("REFUSED", `Backup ${onto ?? backupId} and all that it builds on are sealed to exactly the recipients of policy ${name}${onto === backupId ? "" : `; it was resealed from ${backupId}`}.`, { hint: "Nothing is to be done. `holdfast backup show` names the recipients of a backup." });
  const params: JobParams = { kind: "reseal", backupId: first.backupId, parentId: onto, then: rest.map((link) => link.backupId) };
  const job = await submitJob(ports, { params, instanceId: backup.instanceId, policy: name, subject: `of ${first.backupId}` });
  return { job, backupIds: links.map((link) => link.backupId), log: await logBehind(db, backup) };
}

/** The copy of what is bad would be as bad, and look as if it were not. */
function refuseUnsound(damage: Damage, chain: readonly Backup[]): void {
  const damaged = chain.find((link) => isDamagedBackup(damage, link));
  if (damaged !== undefined) throw new HoldfastError("OBJECT_DAMAGED", `Backup ${damaged.backupId} is not resealed: ${damage.get(`backup:${damaged.backupId}`) ?? "what it builds on is damaged"}`);
  const failed = failedVerification(chain);
  if (failed !== null) throw new HoldfastError("REFUSED", `Backup ${chain.at(-1)?.backupId ?? ""} is not resealed: its chain failed the ${failed.tier} verification of ${failed.at}.`, { hint: "Verify it again; a verification that passes lifts this." });
}

async function sealedLinks(db: CatalogDb, backups: readonly Backup[]): Promise<Link[]> {
  const links: Link[] = [];
  for (const backup of backups) links.push({ ...backup, recipients: (await getManifest(db, backup.backupId)).recipients });
  return links;
}

/** Earlier copies of a chain's links; the newest first, without what nobody would restore from. */
async function soundCopies(db: CatalogDb, damage: Damage, chain: readonly Backup[]): Promise<Link[]> {
  const copies = await backupsResealedFrom(db, chain.map(({ backupId, resealedFrom }) => resealedFrom ?? backupId));
  return sealedLinks(db, copies.filter((copy) => !isDamagedBackup(damage, copy) && copy.verification?.status !== "failed").reverse());
}

async function logBehind(db: CatalogDb, { instanceId, timeline, facts }: Backup): Promise<ResealRequested["log"]> {
  if (facts.logPosition === null) return { pieces: 0, storedBytes: 0 };
  const pieces = await piecesFrom(db, { instanceId, timeline, fromFile: logFileNumber(facts.logPosition.file) });
  return { pieces: pieces.length, storedBytes: pieces.reduce((sum, { segment }) => sum + segment.object.sizeBytes + segment.index.sizeBytes, 0) };
}
