import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

interface AttemptFacts {
  readonly id: string;
  readonly jobId: string;
  readonly kind: string;
  readonly instanceId: string | null;
  readonly state: string;
  readonly fencingToken: number;
  readonly startedAt: string;
  readonly endedAt: string | null;
}

/** What the invariants read of a catalog that nobody has open. */
export interface CatalogFacts {
  readonly attempts: readonly AttemptFacts[];
  /** Keys of log objects that the catalog still answers for, though no piece names them. */
  readonly namedObjects: ReadonlySet<string>;
  readonly faults: readonly string[];
}

export function readCatalog(statePath: string): CatalogFacts {
  const catalog = new DatabaseSync(join(statePath, "data", "catalog.sqlite"));
  try {
    const rows = (sql: string): Record<string, unknown>[] => catalog.prepare(sql).all();
    const attempts = rows(
      `SELECT a.id, a.job_id AS jobId, j.kind, j.instance_id AS instanceId, a.state, a.fencing_token AS fencingToken, a.started_at AS startedAt, a.ended_at AS endedAt
       FROM attempt a JOIN job j ON j.id = a.job_id ORDER BY a.fencing_token`,
    ) as unknown as AttemptFacts[];
    const integrity = rows("PRAGMA integrity_check").map((row) => String(row["integrity_check"]));
    return {
      attempts,
      namedObjects: new Set(rows("SELECT key FROM log_grant UNION SELECT key FROM doomed_object").map((row) => String(row["key"]))),
      faults: integrity.length === 1 && integrity[0] === "ok" ? [] : [`the catalog is damaged: ${integrity.join("; ")}`],
    };
  } finally {
    catalog.close();
  }
}

const ALONE = ["backup", "ship"];

/** Sentences about work that two attempts held at once. */
export function leaseFaults(attempts: readonly AttemptFacts[]): string[] {
  const faults: string[] = [];
  const groups = new Map<string, AttemptFacts[]>();
  for (const attempt of attempts) {
    const keys = [`job ${attempt.jobId}`, ...(ALONE.includes(attempt.kind) ? [`${attempt.kind} of instance ${String(attempt.instanceId)}`] : [])];
    for (const key of keys) groups.set(key, [...(groups.get(key) ?? []), attempt]);
  }
  for (const [what, held] of groups) {
    for (const [number, attempt] of held.entries()) {
      const next = held[number + 1];
      if (next === undefined) continue;
      if (next.fencingToken <= attempt.fencingToken) faults.push(`${what}: ${next.id} has the fencing token of ${attempt.id}`);
      if (attempt.endedAt === null || attempt.endedAt > next.startedAt) faults.push(`${what} was held twice: ${next.id} began at ${next.startedAt}, ${attempt.id} ended at ${String(attempt.endedAt)}`);
    }
    if (what.startsWith("job ") && held.filter(({ state }) => state === "committed").length > 1) faults.push(`${what} was committed twice`);
  }
  return faults;
}
