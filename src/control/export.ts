import { listBackups, manifestHashes } from "../catalog/backups.ts";
import { listHolds } from "../catalog/holds.ts";
import { listInstances } from "../catalog/instances.ts";
import { listPolicies } from "../catalog/policies.ts";
import { listRepositories } from "../catalog/repositories.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { listReports } from "../catalog/verifications.ts";
import { canonicalJson } from "../lib/canonical-json.ts";
import type { Export } from "../model/api/system.ts";
import type { Backup, Coverage } from "../model/backup.ts";
import { coverageOf } from "./instances-view.ts";
import type { ControlPorts } from "./ports.ts";

/** Statements take a bounded number of values. */
const PAGE = 500;

/**
 * Everything of the catalog that the repositories prove, sorted by id or name: two exports of the same repositories are
 * equal byte for byte. Left out is what no repository holds: jobs, findings, probes and where things lie.
 */
export async function exportCatalog({ catalog: { db }, signer }: Pick<ControlPorts, "catalog" | "signer">): Promise<Export> {
  const repositories = await listRepositories(db);
  const instances = (await listInstances(db)).sort((a, b) => (a.id < b.id ? -1 : 1));
  const backups = await everyBackup(db);
  const hashes = new Map<string, string>();
  for (const { name } of repositories) for (const { id, manifestSha256 } of await manifestHashes(db, name)) hashes.set(id, manifestSha256);
  const coverage: Coverage[] = [];
  for (const { id } of instances) coverage.push(await coverageOf(db, id));
  return {
    signingKeyFingerprint: signer.fingerprint,
    repositories: repositories.map(({ name, repositoryId }) => ({ name, repositoryId })),
    policies: (await listPolicies(db)).map(({ name, version, spec }) => ({ name, version, spec: inOrder(spec) })),
    instances,
    backups: backups.map((backup) => ({ ...backup, manifestSha256: hashes.get(backup.backupId) ?? "" })),
    chains: [...Map.groupBy(backups, ({ chainId }) => chainId)].map(([chainId, links]) => ({ chainId, backupIds: links.map(({ backupId }) => backupId) })),
    coverage,
    holds: await listHolds(db),
    reports: await listReports(db),
  };
}

/** The same value with its members in alphabetical order: how a policy was written does not count. */
function inOrder(value: unknown): Record<string, unknown> {
  return JSON.parse(canonicalJson(value)) as Record<string, unknown>;
}

/** Oldest first. */
async function everyBackup(db: CatalogDb): Promise<Backup[]> {
  const backups: Backup[] = [];
  for (;;) {
    const before = backups.at(-1)?.backupId;
    const page = await listBackups(db, { limit: PAGE, ...(before === undefined ? {} : { before }) });
    backups.push(...page);
    if (page.length < PAGE) return backups.reverse();
  }
}
