import { workOf } from "../catalog/attempts.ts";
import { getJobRow, moveJob } from "../catalog/jobs.ts";
import { knownDamage, putReadObject } from "../catalog/object-checks.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import { isoTime } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { ExpectedObject, ReadObject } from "../model/check.ts";
import { documentDamage } from "./check-documents.ts";
import { isStillExpected, segmentOfOwner } from "./check-expected.ts";
import { requireRepositoryThere } from "./check-survey.ts";
import { raiseDamage } from "./damage.ts";
import { type LeaseClaim, requireLease } from "./leases.ts";
import type { ControlPorts } from "./ports.ts";
import { keepForLonger } from "./replaced-tails.ts";

/**
 * Keeps what a check has read: the next attempt goes on behind it, and what is damaged is known from now on. Missing and
 * unreadable objects count only while the repository itself is there. A check that gets on is not given up for having
 * been cut short often.
 */
export async function recordRead(ports: ControlPorts, claim: LeaseClaim, objects: readonly ReadObject[]): Promise<void> {
  const attempt = await requireLease(ports.catalog.db, claim);
  const { kind } = await getJobRow(ports.catalog.db, attempt.jobId);
  if (kind !== "check") throw new HoldfastError("INPUT_INVALID", `Attempt ${attempt.id} is of a ${kind} job, which reads nothing to be kept.`);
  const { repository } = attempt;
  const damaged = objects.filter(({ found }) => found !== null);
  const confirmed = damaged.length === 0 ? [] : await confirm(ports, { repository, expected: expectedOf(attempt, damaged) }, damaged);
  const details = new Map(confirmed.map((object) => [object.key, object]));
  const at = isoTime(ports.clock.nowMs());
  await inTransaction(ports.catalog.db, async (db) => {
    await requireLease(db, claim);
    for (const object of objects) {
      const kept = object.found === null ? object : details.get(object.key);
      if (kept !== undefined) await putReadObject(db, { repository, checkId: attempt.jobId, at, object: kept });
    }
    await moveJob(db, attempt.jobId, { from: ["running"], to: "running", patch: { attemptCount: 1 } });
    const owners = new Set(confirmed.map(({ owner }) => owner));
    const known = owners.size === 0 ? [] : await knownDamage(db, repository);
    // They come back when the check has ended, which may take days.
    await keepForLonger(ports, db, [...owners].flatMap((owner) => segmentOfOwner(owner) ?? []));
    for (const owner of owners) await raiseDamage(ports, db, owner, known.filter((each) => each.owner === owner));
  });
}

/** INPUT_INVALID unless the order names each of them as the agent does. */
function expectedOf(attempt: Parameters<typeof workOf>[0] & { id: string }, objects: readonly ReadObject[]): Map<string, ExpectedObject> {
  const work = workOf(attempt);
  const expected = new Map(work.kind === "check" ? work.objects.map((object) => [object.key, object]) : []);
  const stranger = objects.find(({ key, owner }) => expected.get(key)?.owner !== owner);
  if (stranger === undefined) return expected;
  throw new HoldfastError("INPUT_INVALID", `The order of attempt ${attempt.id} does not name the object ${stranger.key} of ${stranger.owner}.`);
}

/** Without what the catalog has given up meanwhile, and with what can be said of documents. */
async function confirm(ports: ControlPorts, order: { repository: string; expected: ReadonlyMap<string, ExpectedObject> }, objects: readonly ReadObject[]): Promise<ReadObject[]> {
  await requireRepositoryThere(ports, order.repository);
  const confirmed: ReadObject[] = [];
  for (const object of objects) {
    const expected = order.expected.get(object.key);
    if (object.found === null || expected === undefined || !(await isStillExpected(ports.catalog.db, object.owner))) continue;
    const more = isDocument(object.key) ? await documentDamage(ports, order.repository, expected) : null;
    const detail = more === null ? object.found.detail : `${object.found.detail}; ${more}`;
    confirmed.push({ ...object, found: { ...object.found, detail } });
  }
  return confirmed;
}

function isDocument(key: string): boolean {
  return key.endsWith(".json");
}
