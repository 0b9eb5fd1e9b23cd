import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { Client } from "../../src/client/client.ts";
import type { Engine } from "../../src/engines/engine.ts";
import { HoldfastError } from "../../src/lib/errors.ts";
import { idFactory } from "../../src/lib/ids.ts";
import type { Grant, SignedGrant } from "../../src/model/grant.ts";
import type { Order, Outcome, PieceReport, Progress, Work } from "../../src/model/job.ts";
import type { ObjectGate } from "../../src/storage/gate.ts";

const newId = idFactory();

/** The only thing a probe's stand-in engine must have is a name. */
export const engineStandIn = { kind: "mysql", title: "stand-in" } as Engine;

export function orderOf(work: Work, timing: { leaseMs?: number; heartbeatEveryMs?: number } = {}): Order {
  return {
    jobId: newId(),
    attemptId: newId(),
    fencingToken: 7,
    leaseMs: timing.leaseMs ?? 30_000,
    heartbeatEveryMs: timing.heartbeatEveryMs ?? 10,
    instance: { id: newId(), name: "shop", engine: "mysql", timeZone: "UTC", connection: {} },
    repository: "main",
    work,
  };
}

export const probeWork: Work = { kind: "probe", heartbeat: false };
export const shipWork: Work = {
  kind: "ship",
  sealing: { recipients: ["age1x"], metadataRecipient: "age1y", compressionLevel: 3 },
  shipEveryMs: 1_000,
  mergeBytes: 65_536,
  shipped: [],
  startAt: null,
  timeline: newId(),
  dataIdentity: null,
};

/** The server as an agent sees it: hands out the orders it is given, and remembers what it is told. */
export class FakeServer {
  readonly due: Order[] = [];
  readonly claims: { jobId?: string; kinds?: string[] }[] = [];
  readonly beats: (Progress | null)[] = [];
  readonly finished: { attemptId: string; outcome: Outcome }[] = [];
  readonly pieces: PieceReport[] = [];
  /** Replace to answer otherwise or to throw. */
  heartbeat: () => { leaseMs: number; cancel: boolean } | Promise<{ leaseMs: number; cancel: boolean }> = () => ({ leaseMs: 30_000, cancel: false });
  finish: () => void = () => undefined;
  grantsGiven = 0;

  readonly client: Client = {
    call: async (route, input) => (await this.#answer(route.name, input as Record<string, unknown>)) as never,
  };

  async #answer(name: string, input: Record<string, unknown>): Promise<unknown> {
    await Promise.resolve();
    switch (name) {
      case "agent.claim":
        return { order: this.#claim(input) };
      case "agent.heartbeat":
        this.beats.push(input["progress"] as Progress | null);
        return this.heartbeat();
      case "agent.finish":
        this.finish();
        this.finished.push({ attemptId: input["attemptId"] as string, outcome: input["outcome"] as Outcome });
        return { state: (input["outcome"] as Outcome).status === "done" ? "succeeded" : "failed" };
      case "agent.grantPut":
        return { grants: (input["objects"] as { name: string; sizeBytes: number; sha256: string }[]).map((object) => this.grant("put", object.name, object)) };
      case "agent.grantGet":
        return { grants: (input["keys"] as string[]).map((key) => this.grant("get", key, { sizeBytes: 0, sha256: "0".repeat(64) })) };
      case "agent.reportPiece":
        this.pieces.push(input["piece"] as PieceReport);
        return { committedAt: "2026-01-01T00:00:00.000Z" };
      case "keys.open":
        return { fileKeys: [Buffer.from("file key").toString("base64")] };
      default:
        throw new Error(`the fake server knows no ${name}`);
    }
  }

  #claim(choice: { jobId?: string; kinds?: string[] }): Order | null {
    this.claims.push(choice);
    const at = this.due.findIndex((order) => (choice.jobId === undefined || order.jobId === choice.jobId) && (choice.kinds?.includes(order.work.kind) ?? true));
    return at < 0 ? null : (this.due.splice(at, 1)[0] ?? null);
  }

  grant(operation: Grant["operation"], key: string, object: { sizeBytes: number; sha256: string }): SignedGrant {
    this.grantsGiven += 1;
    const body: Grant = { grantId: newId(), operation, repository: "main", key, attemptId: newId(), ...object, expiresAt: "2026-01-01T00:00:00.000Z" };
    return { kind: "holdfast-grant-v1", body, signature: { key: "k", value: "v" } };
  }
}

/** Objects in memory, written once; `failNext` makes the next calls fail, `after` having stored the object or not. */
export class FakeGate implements ObjectGate {
  readonly objects = new Map<string, Buffer>();
  readonly failures: { error: HoldfastError; stored: boolean }[] = [];
  puts = 0;

  async put(grant: SignedGrant, body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
    this.puts += 1;
    if (this.objects.has(grant.body.key)) throw new HoldfastError("OBJECT_EXISTS", `${grant.body.key} exists.`);
    const failure = this.failures.shift();
    const chunks: Uint8Array[] = [];
    if (failure === undefined || failure.stored) {
      for await (const chunk of body) chunks.push(chunk);
      this.objects.set(grant.body.key, Buffer.concat(chunks));
    }
    if (failure !== undefined) throw failure.error;
  }

  confirm(grant: SignedGrant): Promise<boolean> {
    const bytes = this.objects.get(grant.body.key);
    return Promise.resolve(bytes !== undefined && sha256Of(bytes) === grant.body.sha256);
  }

  get(grant: SignedGrant): Promise<Readable> {
    const failure = this.failures.shift();
    if (failure !== undefined) return Promise.reject(failure.error);
    return Promise.resolve(Readable.from([this.objects.get(grant.body.key) ?? Buffer.alloc(0)]));
  }
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A clock whose monotonic time goes only where the test puts it. */
export class ManualClock {
  monotonic = 1_000;
  wall = Date.parse("2026-01-01T00:00:00Z");
  readonly monotonicMs = (): number => this.monotonic;
  readonly nowMs = (): number => this.wall;
}
