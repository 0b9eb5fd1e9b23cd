import { backupTotals, newestBackup } from "../catalog/backups.ts";
import { listInstances } from "../catalog/instances.ts";
import { listPolicies } from "../catalog/policies.ts";
import { getProbe } from "../catalog/probes.ts";
import { lastVerifiedAt } from "../catalog/verifications.ts";
import { asHoldfastError } from "../lib/errors.ts";
import { formatDuration } from "../lib/units.ts";
import type { Diagnosis } from "../model/api/system.ts";
import type { Instance } from "../model/instance.ts";
import type { Storage } from "../storage/storage.ts";
import { tryRepository } from "./doctor-repository.ts";
import { frozenNow } from "./frozen.ts";
import { openRepository } from "./open-repository.ts";
import type { ControlPorts } from "./ports.ts";

export interface DoctorPorts extends ControlPorts {
  /** Recipients whose identities the keyholder holds; throws when a file of them cannot be read. */
  heldRecipients(): Promise<readonly string[]>;
}

/** Unfinished writes older than this are left over from a crash. */
const LEFTOVER_AGE_MS = 24 * 3_600_000;
/** A probe older than this says little about tonight. */
const PROBE_AGE_MS = 2 * 24 * 3_600_000;
const SHOWN = 3;

/** Tries everything that a night's work will need, as far as the server can. Never throws for what it finds. */
export async function diagnose(ports: DoctorPorts): Promise<Diagnosis[]> {
  const diagnoses: Diagnosis[] = [...(await diagnoseFrozen(ports))];
  for (const [name, storage] of ports.storages) diagnoses.push(...(await diagnoseRepository(ports, name, storage)));
  if (ports.storages.size === 0) diagnoses.push(warning("repositories", "No repository is configured.", "Name one in the configuration and run `holdfast apply`."));
  diagnoses.push(...(await diagnoseKeys(ports)));
  const instances = await listInstances(ports.catalog.db, { current: true });
  if (instances.length === 0) diagnoses.push(warning("instances", "No instance is configured.", "Name one in the configuration and run `holdfast apply`."));
  for (const instance of instances) diagnoses.push(...(await diagnoseInstance(ports, instance)));
  return diagnoses;
}

const ok = (subject: string, message: string): Diagnosis => ({ subject, status: "ok", message, remedy: null });
const warning = (subject: string, message: string, remedy: string): Diagnosis => ({ subject, status: "warning", message, remedy });
const fault = (subject: string, message: string, remedy: string): Diagnosis => ({ subject, status: "error", message, remedy });

function failed(subject: string, error: unknown): Diagnosis {
  const { message, hint } = asHoldfastError(error);
  return fault(subject, message, hint);
}

async function diagnoseFrozen({ catalog }: DoctorPorts): Promise<Diagnosis[]> {
  const frozen = await frozenNow(catalog.db);
  if (frozen === null) return [];
  const message = `Holdfast is FROZEN since its catalog was ${frozen.why} at ${frozen.at}: nothing is scheduled, no backup is begun, nothing is deleted.`;
  return [fault("catalog", message, "See that nothing is missing and that no other server works on these repositories, then run `holdfast thaw`.")];
}

async function diagnoseRepository(ports: DoctorPorts, name: string, storage: Storage): Promise<Diagnosis[]> {
  const subject = `repository ${name}`;
  try {
    await openRepository(ports, storage);
    const tried = await tryRepository(ports.newId, subject, storage);
    return [...tried, ...(await leftovers(subject, storage)), await compareCounts(ports, name, storage)];
  } catch (error) {
    ports.log.warn({ repository: name, err: error }, "doctor: repository");
    return [failed(subject, error)];
  }
}

async function leftovers(subject: string, storage: Storage): Promise<Diagnosis[]> {
  const found = await storage.leftovers({ olderThanMs: LEFTOVER_AGE_MS, remove: false });
  if (found.length === 0) return [];
  return [warning(subject, `${String(found.length)} unfinished writes are left over: ${found.slice(0, SHOWN).join(", ")}${found.length > SHOWN ? ", …" : ""}.`, "Holdfast removes them by itself when it starts; if they stay, delete them.")];
}

/** A committed backup is a manifest in the repository and a row in the catalog: their numbers must agree. */
async function compareCounts(ports: DoctorPorts, name: string, storage: Storage): Promise<Diagnosis> {
  const subject = `repository ${name}`;
  const { count } = await backupTotals(ports.catalog.db, { repository: name });
  let stored = 0;
  for await (const { key } of storage.list("")) if (key.endsWith("/manifest.json")) stored += 1;
  if (stored === count) return ok(subject, `Catalog and repository agree on ${String(count)} backups.`);
  const message = `The catalog knows ${String(count)} backups in it, and ${String(stored)} manifests are stored.`;
  return stored < count
    ? fault(subject, message, `Run \`holdfast repository check ${name}\` to learn which are missing.`)
    : warning(subject, message, "A commit that was cut short is finished at the next start; if the difference stays, run `holdfast catalog rebuild`.");
}

async function diagnoseKeys(ports: DoctorPorts): Promise<Diagnosis[]> {
  const diagnoses: Diagnosis[] = [];
  /** Null where the keyholder does not say. */
  let held: ReadonlySet<string> | null = null;
  try {
    held = new Set(await ports.heldRecipients());
  } catch (error) {
    diagnoses.push(failed("keyholder", error));
  }
  for (const { name, spec } of await listPolicies(ports.catalog.db)) diagnoses.push(...diagnoseRecipients(name, spec.recipients ?? [], held));
  return diagnoses;
}

function diagnoseRecipients(policy: string, recipients: readonly string[], held: ReadonlySet<string> | null): Diagnosis[] {
  const subject = `policy ${policy}`;
  const distinct = new Set(recipients);
  const diagnoses: Diagnosis[] = [];
  if (distinct.size === 1) {
    diagnoses.push(warning(subject, "Backups are encrypted to one recipient only: when its identity is lost, so are they.", "Make a second pair with `holdfast key ceremony`, which keeps its identity on paper, and add its recipient."));
  }
  if (held === null) return diagnoses;
  const openable = [...distinct].filter((recipient) => held.has(recipient)).length;
  if (openable === 0) {
    diagnoses.push(fault(subject, "The keyholder holds no identity for its recipients: its backups can be neither verified nor restored here.", "Name an identity file in `keys.identities`, or in `identities` of the keyholder."));
  } else if (openable === distinct.size && distinct.size > 1) {
    diagnoses.push(warning(subject, "The keyholder has the identities of all its recipients: none of them is an escrow.", "Take the escrow identity offline."));
  }
  return diagnoses.length > 0 ? diagnoses : [ok(subject, `${String(distinct.size)} recipients, ${String(openable)} of which the keyholder can open.`)];
}

async function diagnoseInstance(ports: DoctorPorts, instance: Instance): Promise<Diagnosis[]> {
  return [...(await diagnoseProbe(ports, instance)), ...(await diagnoseProtection(ports, instance))];
}

async function diagnoseProbe(ports: DoctorPorts, instance: Instance): Promise<Diagnosis[]> {
  const subject = `instance ${instance.name}`;
  const remedy = `Run \`holdfast instance probe ${instance.name}\`.`;
  const probe = await getProbe(ports.catalog.db, instance.id);
  if (probe === null) return [warning(subject, "It was never probed.", remedy)];
  const ageMs = ports.clock.nowMs() - Date.parse(probe.at);
  const stale = ageMs > PROBE_AGE_MS ? [warning(subject, `Its last probe is ${formatDuration(ageMs)} old.`, remedy)] : [];
  const notes = probe.notes.filter((note) => note.level !== "info").map((note): Diagnosis => ({ subject, status: note.level === "error" ? "error" : "warning", message: note.message, remedy: note.remedy }));
  if (notes.length > 0 || stale.length > 0) return [...stale, ...notes];
  return [ok(subject, `${probe.flavour} ${probe.serverVersion} answers; tool ${probe.toolVersion ?? "none"}.`)];
}

async function diagnoseProtection(ports: DoctorPorts, instance: Instance): Promise<Diagnosis[]> {
  const subject = `instance ${instance.name}`;
  const { db } = ports.catalog;
  const newest = await newestBackup(db, instance.id);
  if (newest === null) return [warning(subject, "It has no backup.", `Run \`holdfast backup run ${instance.name}\`.`)];
  const age = (at: string): string => formatDuration(Math.max(0, ports.clock.nowMs() - Date.parse(at)));
  const verifiedAt = await lastVerifiedAt(db, instance.id);
  if (verifiedAt === null) return [warning(subject, `Its newest backup is ${age(newest.committedAt)} old, and none was ever restored.`, `Run \`holdfast backup verify ${newest.backupId}\`.`)];
  return [ok(subject, `Its newest backup is ${age(newest.committedAt)} old, the last proof by restore ${age(verifiedAt)}.`)];
}
