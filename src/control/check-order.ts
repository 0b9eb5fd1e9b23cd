import { objectChecks, readBy } from "../catalog/object-checks.ts";
import type { JobRow } from "../catalog/jobs.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { chooseToRead, type ExpectedObject } from "../model/check.ts";
import type { JobParams } from "../model/job-params.ts";
import { expectedObjects } from "./check-expected.ts";
import type { PlannedWork } from "./dispatch.ts";

/** What is left to read of a check, in order of key. */
export async function checkWork(db: CatalogDb, job: Pick<JobRow, "id">, params: Extract<JobParams, { kind: "check" }>): Promise<PlannedWork> {
  const { repository, depth, rateBytesPerS } = params;
  const objects = depth === "size" ? [] : await leftToRead(db, job, params);
  const before = await readBy(db, repository, job.id);
  return { work: { kind: "check", repository, depth, objects, before, rateBytesPerS }, repository, timeline: "" };
}

async function leftToRead(db: CatalogDb, job: Pick<JobRow, "id">, { repository, sample }: Extract<JobParams, { kind: "check" }>): Promise<ExpectedObject[]> {
  const learnt = await objectChecks(db, repository);
  const candidates = (await expectedObjects(db, repository)).map((object) => {
    const row = learnt.get(object.key);
    return { object, key: object.key, lastCheckId: row?.lastCheckId ?? null, isDamaged: row !== undefined && row.problem !== null };
  });
  const chosen = chooseToRead(candidates, { checkId: job.id, sample });
  return chosen.map(({ object }) => object).sort((a, b) => (a.key < b.key ? -1 : 1));
}
