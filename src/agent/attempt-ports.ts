import type { Client } from "../client/client.ts";
import type { Engine } from "../engines/engine.ts";
import type { Buffers, JobPorts } from "../jobs/ports.ts";
import type { Clock } from "../lib/clock.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { NewId } from "../lib/ids.ts";
import type { Log } from "../lib/log.ts";
import type { RunAs } from "../lib/process.ts";
import { retry, type RetryOptions } from "../lib/retry.ts";
import { api } from "../model/api/index.ts";
import { type OfferedGrant, withoutRequest } from "../model/grant.ts";
import type { Order, Progress } from "../model/job.ts";
import type { ObjectGate } from "../storage/gate.ts";
import { patientClient } from "./patient-client.ts";
import { hookRunner, type HookWorld } from "./run-hook.ts";

/** About a minute of trying: long enough for a storage that restarts, short enough for a hot backup that waits behind it. */
export const STORAGE_RETRIES = { tries: 8, firstPauseMs: 250, maxPauseMs: 15_000 } as const;

/** For what an attempt that was asked to stop has still to say. */
const LAST_WORD_MS = 5_000;

export interface AttemptWorld extends HookWorld {
  readonly order: Order;
  readonly engine: Engine;
  readonly client: Client;
  readonly gate: ObjectGate;
  readonly clock: Clock;
  readonly log: Log;
  readonly newId: NewId;
  readonly sandboxUser: RunAs | undefined;
  readonly scratchDir: string;
  readonly buffers: Buffers;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  readonly onEnd: JobPorts["onEnd"];
  /** Replaces the pauses between tries; for tests. */
  readonly storageRetries?: Omit<RetryOptions, "signal">;
}

type NewObject = Parameters<JobPorts["put"]>[0];

/** What a job sees of the world: every call carries the lease's fencing token, every byte goes through a grant. */
export function attemptPorts(world: AttemptWorld): JobPorts {
  const { order, signal } = world;
  const client = patientClient(world.client, { log: world.log });
  const patient = { ...world, client };
  const lease = { attemptId: order.attemptId, fencingToken: order.fencingToken };
  const grants = readGrants(patient);
  return {
    order,
    engine: world.engine,
    signal,
    scratchDir: world.scratchDir,
    buffers: world.buffers,
    sandboxUser: world.sandboxUser,
    log: world.log,
    clock: world.clock,
    newId: world.newId,
    progress: world.onProgress,
    onEnd: world.onEnd,
    runHook: hookRunner(world),
    put: (object, ended) => putObject(ended === undefined ? patient : { ...patient, signal: AbortSignal.any([signal, ended]) }, object),
    get: (key, range) => retrying(world, `read ${key}`, () => grants.use(key, (grant) => world.gate.get(grant, range, signal))),
    openHeader: (key, header) => retrying(world, `open ${key}`, () => openHeader(patient, key, header)),
    reportPiece: async (piece) => {
      // Committing a piece again under its own id is the same commit: an answer that was lost may be asked for again.
      await retrying(world, `commit log piece ${piece.segmentId}`, () => client.call(api.agent.reportPiece, { ...lease, piece }, signal));
    },
    reportRead: async (objects) => {
      const report = (until: AbortSignal): Promise<object> => client.call(api.agent.reportRead, { ...lease, objects: [...objects] }, until);
      // Work that was stopped may still say how far it came, once.
      await (signal.aborted ? report(AbortSignal.timeout(LAST_WORD_MS)) : retrying(world, "report what was read", () => report(signal)));
    },
  };
}

function retrying<T>(world: AttemptWorld, what: string, operation: (failures: number) => Promise<T>): Promise<T> {
  return retry(operation, {
    ...(world.storageRetries ?? STORAGE_RETRIES),
    signal: world.signal,
    onRetry: (error, waitMs) => {
      world.log.warn({ attemptId: world.order.attemptId, what, waitMs: Math.round(waitMs), err: error }, "will try again");
    },
  });
}

function putObject(world: AttemptWorld, object: NewObject): Promise<void> {
  return retrying(world, `store ${object.name}`, async (failures) => {
    const grant = await putGrant(world, object);
    try {
      await world.gate.put(grant, object.chunks, world.signal);
    } catch (error) {
      if (!isHoldfastError(error, "OBJECT_EXISTS") || failures === 0) throw error;
      await confirmOwnWrite(world, grant, error);
    }
  });
}

async function putGrant(world: AttemptWorld, { name, sizeBytes, sha256 }: NewObject): Promise<OfferedGrant> {
  const { attemptId, fencingToken } = world.order;
  const { grants } = await world.client.call(api.agent.grantPut, { attemptId, fencingToken, ...requestsFor(world), objects: [{ name, sizeBytes, sha256 }] }, world.signal);
  return onlyGrant(grants, name);
}

/** A signed request is only asked for where it is used: whoever holds it can use it. */
function requestsFor({ gate }: AttemptWorld): { withRequests?: true } {
  return gate.takesRequests === true ? { withRequests: true } : {};
}

/** The object of an earlier try whose answer was lost counts only when it is what was sent, byte for byte. */
async function confirmOwnWrite(world: AttemptWorld, grant: OfferedGrant, error: HoldfastError): Promise<void> {
  const confirmed = (await world.gate.confirm?.(grant, world.signal)) ?? false;
  if (!confirmed) throw error;
  world.log.info({ attemptId: world.order.attemptId, key: grant.body.key }, "an earlier write whose answer was lost is confirmed");
}

interface ReadGrants {
  /** Runs with the grant for this key; asks for a fresh one when the one at hand is refused. */
  use<T>(key: string, action: (grant: OfferedGrant) => Promise<T>): Promise<T>;
}

function readGrants(world: AttemptWorld): ReadGrants {
  const known = new Map<string, OfferedGrant>();
  const fresh = async (key: string): Promise<OfferedGrant> => {
    const { attemptId, fencingToken } = world.order;
    const { grants } = await world.client.call(api.agent.grantGet, { attemptId, fencingToken, ...requestsFor(world), keys: [key] }, world.signal);
    const grant = onlyGrant(grants, key);
    known.set(key, grant);
    return grant;
  };
  return {
    use: async (key, action) => {
      const grant = known.get(key);
      if (grant === undefined) return action(await fresh(key));
      try {
        return await action(grant);
      } catch (error) {
        if (!isHoldfastError(error, "GRANT_INVALID")) throw error;
        return action(await fresh(key));
      }
    },
  };
}

async function openHeader(world: AttemptWorld, key: string, header: Uint8Array): Promise<Uint8Array> {
  const { attemptId, fencingToken } = world.order;
  const { grants } = await world.client.call(api.agent.grantGet, { attemptId, fencingToken, keys: [key], toOpen: true }, world.signal);
  const grant = onlyGrant(grants, key);
  const request = { grant: withoutRequest(grant), header: Buffer.from(header).toString("base64") };
  const { fileKeys } = await world.client.call(api.agent.openKeys, { requests: [request] }, world.signal);
  const [fileKey] = fileKeys;
  if (fileKey === undefined) throw new HoldfastError("INTERNAL", `The keyholder gave no file key for ${grant.body.key}.`);
  return Buffer.from(fileKey, "base64");
}

function onlyGrant(grants: readonly OfferedGrant[], name: string): OfferedGrant {
  const [grant] = grants;
  if (grant === undefined) throw new HoldfastError("INTERNAL", `The server gave no grant for ${name}.`);
  return grant;
}

