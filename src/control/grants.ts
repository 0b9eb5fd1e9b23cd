import { type AttemptRow, noteGrantExpiry, workOf } from "../catalog/attempts.ts";
import { getJobRow } from "../catalog/jobs.ts";
import { inTransaction } from "../catalog/open-catalog.ts";
import { putLogGrants } from "../catalog/pieces-in-work.ts";
import type { CatalogDb } from "../catalog/schema.ts";
import { isoTime } from "../lib/clock.ts";
import { HoldfastError } from "../lib/errors.ts";
import { ID_PATTERN } from "../lib/ids.ts";
import type { BackupRef, SegmentRef } from "../model/backup.ts";
import { type Grant, GRANT_KIND, type OfferedGrant } from "../model/grant.ts";
import type { JobKind, Work } from "../model/job.ts";
import { backupPrefix, INDEX_NAME, logPrefix, packName, type StoredPart } from "../model/manifest.ts";
import { type LeaseClaim, requireLease } from "./leases.ts";
import { type ControlPorts, type ControlSettings, storageOf } from "./ports.ts";
import { storedHeaderSha256 } from "./stored-header.ts";

export interface ReadableObject {
  readonly repository: string;
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** The id in the name of a log object: `<id>.zst.age` or `<id>.index.zst.age`; null for any other name. */
export function segmentIdOf(name: string): string | null {
  const id = name.slice(0, 26);
  const rest = name.slice(26);
  return ID_PATTERN.test(id) && (rest === ".zst.age" || rest === ".index.zst.age") ? id : null;
}

/** True for the names of packs and the index; nothing else may be written under a backup's prefix by an agent. */
export function isBackupObjectName(name: string): boolean {
  if (name === INDEX_NAME) return true;
  const number = /^(\d{6,12})\.zst\.age$/.exec(name)?.[1];
  return number !== undefined && packName(Number(number)) === name;
}

/** Every object that an order names: what its attempt may read. */
export function readableObjects(work: Work): ReadableObject[] {
  switch (work.kind) {
    case "backup":
    case "ship":
    case "probe":
      return [];
    case "restore":
      return [...work.plan.chain.flatMap(objectsOfBackup), ...work.plan.segments.flatMap(objectsOfSegment)];
    case "verify":
      return [...work.chain.flatMap(objectsOfBackup), ...work.segments.flatMap(objectsOfSegment)];
    case "reseal":
      return objectsOfBackup(work.source);
    case "check":
      return work.objects.map(({ key, sizeBytes, sha256 }) => ({ repository: work.repository, key, sizeBytes, sha256 }));
  }
}

function objectsOfBackup(backup: BackupRef): ReadableObject[] {
  return [...backup.packs, backup.index].map((part) => readable(backup, part));
}

function objectsOfSegment({ repository, prefix, segment }: SegmentRef): ReadableObject[] {
  return [segment.object, segment.index].map((part) => readable({ repository, prefix }, part));
}

function readable(place: { repository: string; prefix: string }, part: StoredPart): ReadableObject {
  return { repository: place.repository, key: `${place.prefix}${part.name}`, sizeBytes: part.sizeBytes, sha256: part.sha256 };
}

export interface GrantOptions {
  /** Adds to each grant the request that the store itself takes, signed and valid as long as the grant; where it takes none, nothing. */
  readonly withRequests?: boolean | undefined;
}

export interface Grants {
  /** Grants to write objects under the attempt's prefix. GRANT_INVALID for a name that is not one of its kind's. */
  put(claim: LeaseClaim, objects: readonly { name: string; sizeBytes: number; sha256: string }[], options?: GrantOptions): Promise<OfferedGrant[]>;
  /**
   * Grants to read objects that the attempt's order names; with `toOpen` they name the objects' headers too, as they
   * are stored, and the keyholder opens them. GRANT_INVALID for any other key.
   */
  get(claim: LeaseClaim, keys: readonly string[], options?: GrantOptions & { readonly toOpen?: boolean | undefined }): Promise<OfferedGrant[]>;
}

const REMEMBERED_ATTEMPTS = 32;

/** Grants for the holder of a lease: signed, bound to key, size and hash, and valid for `grantMs`. */
export function createGrants(ports: ControlPorts, settings: Pick<ControlSettings, "grantMs">): Grants {
  const readables = new Map<string, Map<string, ReadableObject>>();
  const readablesOf = (attempt: AttemptRow): Map<string, ReadableObject> => {
    // Orders of large chains are megabytes of JSON, and an agent asks once per pack.
    const known = readables.get(attempt.id) ?? new Map(readableObjects(workOf(attempt)).map((object) => [object.key, object]));
    readables.delete(attempt.id);
    readables.set(attempt.id, known);
    const [oldest] = readables.keys();
    if (readables.size > REMEMBERED_ATTEMPTS && oldest !== undefined) readables.delete(oldest);
    return known;
  };
  const sign = (grant: Pick<Grant, "operation" | "attemptId" | "headerSha256"> & ReadableObject, expiresAtMs: number): OfferedGrant => {
    const { operation, attemptId, repository, key, sizeBytes, sha256, headerSha256 } = grant;
    const body: Grant = { grantId: ports.newId(), operation, repository, key, attemptId, sizeBytes, sha256, expiresAt: isoTime(expiresAtMs), ...(headerSha256 === undefined ? {} : { headerSha256 }) };
    return ports.signer.sign(GRANT_KIND, body);
  };

  return {
    put: async (claim, objects, options) => {
      const expiresAtMs = ports.clock.nowMs() + settings.grantMs;
      const { attempt, prefix } = await inTransaction(ports.catalog.db, async (db) => {
        const held = await requireLease(db, claim);
        return { attempt: held, prefix: await admit(db, held, objects, expiresAtMs) };
      });
      const grants = objects.map((object) =>
        sign({ operation: "put", attemptId: attempt.id, repository: attempt.repository, key: `${prefix}${object.name}`, ...pickSize(object) }, expiresAtMs),
      );
      return offer(ports, grants, options);
    },
    get: async (claim, keys, { toOpen = false, ...options } = {}) => {
      const attempt = await requireLease(ports.catalog.db, claim);
      const allowed = readablesOf(attempt);
      const objects = keys.map((key) => {
        const object = allowed.get(key);
        if (object === undefined) throw new HoldfastError("GRANT_INVALID", `The order of attempt ${attempt.id} does not name the object ${key}.`);
        return object;
      });
      const headers = toOpen ? await Promise.all(objects.map((object) => storedHeaderSha256(storageOf(ports, object.repository), object))) : [];
      const expiresAtMs = ports.clock.nowMs() + settings.grantMs;
      return offer(ports, objects.map((object, number) => sign({ operation: "get", attemptId: attempt.id, ...object, headerSha256: headers[number] }, expiresAtMs)), options);
    },
  };
}

async function offer(ports: ControlPorts, grants: readonly OfferedGrant[], { withRequests = false }: GrantOptions = {}): Promise<OfferedGrant[]> {
  if (!withRequests) return [...grants];
  return Promise.all(
    grants.map(async (grant) => {
      const { operation, repository, key, expiresAt, ...object } = grant.body;
      const { sign } = storageOf(ports, repository);
      if (sign === undefined) return grant;
      const expiresAtMs = Date.parse(expiresAt);
      return { ...grant, request: operation === "put" ? await sign.put(key, object, expiresAtMs) : { transfer: await sign.get(key, expiresAtMs) } };
    }),
  );
}

function pickSize(object: { sizeBytes: number; sha256: string }): { sizeBytes: number; sha256: string } {
  return { sizeBytes: object.sizeBytes, sha256: object.sha256 };
}

/** Kinds of jobs that write under a prefix of their attempt, or pieces of log; the others write nothing. */
const WRITING_KINDS: ReadonlySet<string> = new Set<JobKind>(["backup", "reseal", "ship"]);

/** Checks the names, records until when they may be written, and gives their prefix. */
async function admit(db: CatalogDb, attempt: AttemptRow, objects: readonly { name: string }[], expiresAtMs: number): Promise<string> {
  const job = await getJobRow(db, attempt.jobId);
  if (job.instanceId === null || !WRITING_KINDS.has(job.kind)) {
    throw new HoldfastError("GRANT_INVALID", `Attempt ${attempt.id} is of a ${job.kind} job, which writes nothing.`);
  }
  const prefix = job.kind === "ship" ? logPrefix(job.instanceId, attempt.timeline) : backupPrefix(job.instanceId, attempt.id);
  const admissible = job.kind === "ship" ? (name: string): boolean => segmentIdOf(name) !== null : isBackupObjectName;
  for (const { name } of objects) {
    if (!admissible(name)) throw new HoldfastError("GRANT_INVALID", `'${name}' is not the name of an object that a ${job.kind} attempt writes.`);
  }
  await noteGrantExpiry(db, attempt.id, expiresAtMs);
  if (job.kind === "ship") {
    const { id: attemptId, repository } = attempt;
    await putLogGrants(db, objects.map(({ name }) => ({ key: `${prefix}${name}`, repository, attemptId, segmentId: segmentIdOf(name) ?? "", expiresAtMs })));
  }
  return prefix;
}
