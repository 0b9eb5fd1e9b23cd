import { getBackup, listBackups } from "../catalog/backups.ts";
import { insertJob, findJob } from "../catalog/jobs.ts";
import { getPolicy } from "../catalog/policies.ts";
import { listRepositories } from "../catalog/repositories.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { isoTime } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import { closestName } from "../lib/schema-faults.ts";
import type { Backup } from "../model/backup.ts";
import { chainOf } from "../model/chain.ts";
import type { Instance } from "../model/instance.ts";
import type { Job } from "../model/job.ts";
import type { Tier } from "../model/policy.ts";
import { type Dispatcher, submitJob } from "./dispatch.ts";
import { refuseWhileFrozen } from "./frozen.ts";
import { requireInstance } from "./instances-view.ts";
import { recordedWay } from "./orders.ts";
import { backupsOfInstance } from "./plan-restore.ts";
import { knockFor } from "./knocks.ts";
import type { ControlPorts } from "./ports.ts";

/** An instance that work can be done on; REFUSED when the configuration no longer names it. */
export async function requireCurrent(db: CatalogDb, nameOrId: string): Promise<Instance> {
  const instance = await requireInstance(db, nameOrId);
  if (instance.removedAt === null) return instance;
  throw new HoldfastError("REFUSED", `The configuration no longer names instance ${instance.name}: its backups can be restored, but it is not backed up any more.`, {
    hint: "Name it in the configuration again and run `holdfast apply`.",
  });
}

/** NOT_FOUND names the newest backups that exist. */
export async function requireBackup(db: CatalogDb, backupId: string): Promise<Backup> {
  const backup = await getBackup(db, backupId);
  if (backup !== null) return backup;
  const newest = (await listBackups(db, { limit: 3 })).map((known) => `${known.backupId} (${known.kind} of ${known.instanceName})`);
  const there = newest.length === 0 ? "there is none yet" : `the newest are ${newest.join(", ")}`;
  throw new HoldfastError("NOT_FOUND", `There is no backup ${backupId}; ${there}.`, { hint: "See `holdfast backup list`." });
}

export async function requireRepository(db: CatalogDb, name: string): Promise<void> {
  const names = (await listRepositories(db)).map((row) => row.name);
  if (names.includes(name)) return;
  const closest = closestName(name, names);
  const advice = names.length === 0 ? "none is configured yet." : closest === null ? `there are ${names.join(", ")}.` : `did you mean ${closest}?`;
  throw new HoldfastError("NOT_FOUND", `There is no repository ${name}; ${advice}`);
}

/** REFUSED while the catalog is frozen. */
export async function requestBackup(ports: ControlPorts, instance: Instance, kind: "full" | "incremental" | "auto"): Promise<Job> {
  await refuseWhileFrozen(ports.catalog.db, `A backup of ${instance.name}`);
  return submitJob(ports, { params: { kind: "backup", backupKind: kind }, instanceId: instance.id, policy: instance.policy, subject: kind });
}

/** How long the log may need to reach the recorded position. */
const LOG_ARRIVAL_MS = 5_000;

/**
 * Starts a verification at the tier asked for, or the policy's. CHAIN_BROKEN at once when the backup has no whole
 * chain. T4 waits a little when the log that it replays is still on its way; where none is shipped it would wait in vain.
 */
export async function requestVerification({ ports, settings }: Pick<Dispatcher, "ports" | "settings">, backupId: string, tier: Tier | undefined): Promise<Job> {
  const { db } = ports.catalog;
  const backup = await requireBackup(db, backupId);
  chainOf(await backupsOfInstance(db, backup.instanceId), backupId);
  const policy = (await getPolicy(db, backup.policy))?.spec;
  const wanted = tier ?? policy?.verification.tier ?? "T4";
  const request = { params: { kind: "verify", backupId, tier: wanted }, instanceId: backup.instanceId, policy: backup.policy, subject: `${wanted} of ${backupId}` } as const;
  const nowMs = ports.clock.nowMs();
  if (!settings.shipsLog || policy?.logs.enabled !== true || wanted !== "T4" || !(await isLogUnderWay(db, backup, nowMs))) return submitJob(ports, request);
  const jobId = ports.newId();
  const at = isoTime(nowMs);
  await insertJob(db, { ...request, jobId, scheduledAt: at, scheduleKey: null, createdAt: at, notBeforeMs: nowMs + 2 * policy.logs.shipEvery + LOG_ARRIVAL_MS });
  await knockFor(ports, jobId);
  return findJob(db, jobId);
}

/** Log that has not come for this long will not come by waiting. */
const LOG_LATE_MS = 5 * 60_000;

async function isLogUnderWay(db: CatalogDb, backup: Backup, nowMs: number): Promise<boolean> {
  if (backup.facts.recordedPosition === null || nowMs - Date.parse(backup.committedAt) > LOG_LATE_MS) return false;
  return (await recordedWay(db, backup)) === null;
}
