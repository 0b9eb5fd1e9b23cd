import type { ConfigChange } from "../model/api/system.ts";
import { backupTotals } from "../catalog/backups.ts";
import { type ConnectedInstance, getConnectedInstance, insertInstance, listInstances, markInstanceRemoved, updateInstance } from "../catalog/instances.ts";
import { moveJob, openJobs } from "../catalog/jobs.ts";
import { deletePolicy, listPolicies, type NamedPolicy, putPolicy } from "../catalog/policies.ts";
import { deleteRepository, listRepositories, putRepository, type RepositoryRow } from "../catalog/repositories.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { pieceTotals } from "../catalog/segments.ts";
import { canonicalJson } from "../lib/canonical-json.ts";
import { HoldfastError } from "../lib/errors.ts";
import { formatBytes } from "../lib/units.ts";
import type { InstanceSpec } from "../model/instance.ts";
import type { Policy } from "../model/policy.ts";

/** What a checked configuration asks of the catalog. References between its parts are known to be good. */
export interface DesiredConfig {
  readonly repositories: Readonly<Record<string, { readonly kind: string; readonly options: unknown }>>;
  readonly policies: Readonly<Record<string, Policy>>;
  readonly instances: Readonly<Record<string, InstanceSpec>>;
  /** Recipients of policies that name none. */
  readonly keys: { readonly recipients: readonly string[] };
}

export interface ApplyOptions {
  readonly dryRun: boolean;
  /** ISO time that new and removed rows get. */
  readonly at: string;
  readonly newId: () => string;
}

/** A change together with what makes it true. */
interface Step extends ConfigChange {
  readonly write: (db: CatalogDb) => Promise<void>;
}

const nothing = async (): Promise<void> => undefined;

/**
 * Makes the catalog's configuration the desired one, all in one transaction, and tells what changed; a dry run only
 * tells. Instances keep their id while their name stays; a removed one keeps its backups. REFUSED when a repository
 * that still holds backups or logs would disappear.
 */
export async function applyConfig(catalog: CatalogDb, desired: DesiredConfig, options: ApplyOptions): Promise<ConfigChange[]> {
  return catalog.transaction().execute(async (db) => {
    const steps = [...(await repositorySteps(db, desired)), ...(await policySteps(db, desired)), ...(await instanceSteps(db, desired, options))];
    if (!options.dryRun) for (const step of steps) await step.write(db);
    return steps.map(({ noun, name, change, detail }) => ({ noun, name, change, detail }));
  });
}

async function repositorySteps(db: CatalogDb, desired: DesiredConfig): Promise<Step[]> {
  const current = new Map((await listRepositories(db)).map((row) => [row.name, row]));
  const kept = Object.entries(desired.repositories).map(([name, wanted]) => repositoryStep(name, wanted, current.get(name)));
  const gone = [...current.keys()].filter((name) => desired.repositories[name] === undefined);
  for (const name of gone) await refuseToForget(db, name);
  return [...kept, ...gone.map((name): Step => ({ noun: "repository", name, change: "removed", detail: "it holds nothing", write: (tx) => deleteRepository(tx, name) }))];
}

function repositoryStep(name: string, wanted: { kind: string; options: unknown }, row: RepositoryRow | undefined): Step {
  const base = { noun: "repository", name } as const;
  const write = (db: CatalogDb): Promise<void> => putRepository(db, { name, kind: wanted.kind, options: wanted.options });
  if (row === undefined) return { ...base, change: "added", detail: `a new ${wanted.kind}`, write };
  const fields = changedFields({ kind: row.kind, ...asRecord(row.options) }, { kind: wanted.kind, ...asRecord(wanted.options) });
  if (fields.length === 0) return { ...base, change: "unchanged", detail: "", write: nothing };
  return { ...base, change: "changed", detail: `${fields.join(", ")}; the new place must hold this repository's own mark`, write };
}

async function refuseToForget(db: CatalogDb, name: string): Promise<void> {
  const backups = await backupTotals(db, { repository: name });
  const pieces = await pieceTotals(db, name);
  if (backups.count === 0 && pieces.count === 0) return;
  const holds = `${String(backups.count)} backups and ${String(pieces.count)} pieces of log (${formatBytes(backups.storedBytes + pieces.storedBytes)})`;
  throw new HoldfastError("REFUSED", `The configuration no longer names repository ${name}, which still holds ${holds}; nothing was changed.`, {
    hint: `Keep ${name} in the configuration for as long as it holds backups.`,
  });
}

async function policySteps(db: CatalogDb, desired: DesiredConfig): Promise<Step[]> {
  const current = new Map((await listPolicies(db)).map((row) => [row.name, row]));
  const kept = Object.entries(desired.policies).map(([name, policy]) => policyStep(name, { ...policy, recipients: policy.recipients ?? [...desired.keys.recipients] }, current.get(name)));
  const gone = [...current.keys()].filter((name) => desired.policies[name] === undefined);
  return [...kept, ...gone.map((name): Step => ({ noun: "policy", name, change: "removed", detail: "", write: (tx) => deletePolicy(tx, name) }))];
}

function policyStep(name: string, wanted: Policy, row: NamedPolicy | undefined): Step {
  const hasOtherRecipients = row !== undefined && canonicalJson(row.spec.recipients ?? []) !== canonicalJson(wanted.recipients ?? []);
  const write = async (db: CatalogDb): Promise<void> => {
    await putPolicy(db, name, wanted);
    if (!hasOtherRecipients) return;
    for (const instance of await listInstances(db)) if (instance.policy === name) await sealLogAnew(db, instance.id);
  };
  if (row === undefined) return { noun: "policy", name, change: "added", detail: `backups go to ${wanted.repository}`, write };
  const fields = changedFields(asRecord(row.spec), asRecord(wanted));
  if (fields.length === 0) return { noun: "policy", name, change: "unchanged", detail: "", write: nothing };
  return { noun: "policy", name, change: "changed", detail: fields.join(", "), write };
}

/**
 * Shipping goes on for weeks under one order and would seal the log to the recipients of before: it is asked to end, and
 * the scheduler begins it anew. One that is only due gets its order later, and with it what holds then.
 */
async function sealLogAnew(db: CatalogDb, instanceId: string): Promise<void> {
  for (const job of await openJobs(db, instanceId, "ship")) await moveJob(db, job.id, { from: ["running"], to: "running", patch: { cancelRequested: 1 } });
}

async function instanceSteps(db: CatalogDb, desired: DesiredConfig, options: ApplyOptions): Promise<Step[]> {
  const rows: ConnectedInstance[] = [];
  for (const { id } of await listInstances(db)) {
    const row = await getConnectedInstance(db, id);
    if (row !== null) rows.push(row);
  }
  const byName = new Map(rows.map((row) => [row.name, row]));
  const gone = rows.filter((row) => row.removedAt === null && desired.instances[row.name] === undefined);
  const kept = Object.entries(desired.instances).map(([name, spec]) => instanceStep(name, spec, { row: byName.get(name), gone, options }));
  return [...kept, ...gone.map((row) => removalStep(row, desired, options))];
}

function instanceStep(name: string, spec: InstanceSpec, known: { row: ConnectedInstance | undefined; gone: readonly ConnectedInstance[]; options: ApplyOptions }): Step {
  const base = { noun: "instance", name } as const;
  const { engine, policy, region, pool, timeZone, connection } = spec;
  const fields = { name, engine, policy, region, pool, timeZone, owner: spec.owner ?? null, connection };
  const { row, options } = known;
  if (row === undefined) {
    const renamed = known.gone.find((old) => sameServer(old, spec));
    const detail = renamed === undefined ? `${engine}, policy ${policy}` : `${engine}, policy ${policy}; it reaches the same server as ${renamed.name}, whose backups stay under the old name: this one starts with a new full backup`;
    return { ...base, change: "added", detail, write: (db) => insertInstance(db, { id: options.newId(), ...fields, createdAt: options.at, removedAt: null }) };
  }
  const { id, createdAt: _createdAt, removedAt, ...old } = row;
  const write = async (db: CatalogDb): Promise<void> => {
    await updateInstance(db, { id, ...fields });
    if (old.policy !== policy) await sealLogAnew(db, id);
  };
  const changed = changedFields(old, fields);
  if (removedAt !== null) return { ...base, change: "added", detail: ["it comes back with its backups", ...changed].join(", "), write };
  if (changed.length === 0) return { ...base, change: "unchanged", detail: "", write: nothing };
  return { ...base, change: "changed", detail: changed.join(", "), write };
}

function removalStep(row: ConnectedInstance, desired: DesiredConfig, options: ApplyOptions): Step {
  const heir = Object.entries(desired.instances).find(([, spec]) => sameServer(row, spec));
  const detail = heir === undefined ? "its backups stay and can be restored" : `its backups stay under this name; ${heir[0]} now reaches the same server`;
  return { noun: "instance", name: row.name, change: "removed", detail, write: (db) => markInstanceRemoved(db, row.id, options.at) };
}

function sameServer(row: ConnectedInstance, spec: InstanceSpec): boolean {
  return row.engine === spec.engine && canonicalJson(row.connection) === canonicalJson(spec.connection);
}

/** `policy: daily → hourly`; of everything but short plain words only the field's name, because it may hold a secret. */
function changedFields(old: Readonly<Record<string, unknown>>, wanted: Readonly<Record<string, unknown>>): string[] {
  const names = [...new Set([...Object.keys(old), ...Object.keys(wanted)])].sort();
  return names.filter((name) => canonicalJson(old[name] ?? null) !== canonicalJson(wanted[name] ?? null)).map((name) => describeChange(name, old[name], wanted[name]));
}

const SHOWN_FIELDS = new Set(["policy", "region", "pool", "timeZone", "owner", "engine", "repository", "kind", "compressionLevel"]);

function describeChange(name: string, old: unknown, wanted: unknown): string {
  const shown = (value: unknown): string => (typeof value === "string" || typeof value === "number" ? String(value) : "none");
  return SHOWN_FIELDS.has(name) ? `${name}: ${shown(old)} → ${shown(wanted)}` : name;
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
