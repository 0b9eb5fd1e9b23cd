import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { insertInstance } from "../catalog/instances.ts";
import { type Catalog, openCatalog } from "../catalog/open-catalog.ts";
import { putPolicy } from "../catalog/policies.ts";
import { putRepository } from "../catalog/repositories.ts";
import { isoTime } from "../lib/clock.ts";
import { idFactory } from "../lib/ids.ts";
import { silentLog } from "../lib/log.ts";
import { generateSigningKey, signerFrom } from "../lib/signing.ts";
import type { BackupReport, Order, PieceReport } from "../model/job.ts";
import { backupPrefix, type BackupFacts, INDEX_NAME, logPrefix, packName, type StoredPart } from "../model/manifest.ts";
import { policySchema } from "../model/policy.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { type Dispatcher, submitJob } from "./dispatch.ts";
import { createGrants, type Grants } from "./grants.ts";
import { createLeases } from "./leases.ts";
import { createPlanWork } from "./orders.ts";
import { type ControlPorts, DEFAULT_SETTINGS } from "./ports.ts";

/** A control plane with a real catalog file, a repository in memory and a clock that stands still; for tests. */
export interface World {
  dispatcher: Dispatcher;
  ports: ControlPorts;
  grants: Grants;
  storage: Storage;
  instanceId: string;
  knocks: string[];
  /** Moves both clocks. */
  pass(ms: number): void;
  /** Ends the process's memory and opens the same catalog again, as a restart does. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export const RECIPIENTS = ["age1recipient", "age1escrow"];
const T0 = Date.parse("2026-05-01T00:00:00Z");

export async function openWorld(policy: Record<string, unknown> = {}): Promise<World> {
  const dir = await mkdtemp(join(tmpdir(), "hf-ctl-"));
  const path = join(dir, "catalog.db");
  const time = { nowMs: T0, monotonicMs: 1_000 };
  const clock = { nowMs: () => time.nowMs, monotonicMs: () => time.monotonicMs };
  const newId = idFactory();
  const knocks: string[] = [];
  const queue = { knock: async (_pool: string, id: string) => void knocks.push(id), listen: async () => undefined, close: async () => undefined };
  const signer = signerFrom(generateSigningKey());
  const storage = memoryStorage.open({});
  const instanceId = newId();

  const assemble = (catalog: Catalog): Pick<World, "dispatcher" | "ports" | "grants"> => {
    const ports: ControlPorts = { catalog, storages: new Map([["main", storage]]), signer, clock, newId, log: silentLog, queue, segmentsToLookInto: new Set() };
    const planWork = createPlanWork({ clock, newId, metadataRecipient: "age1metadata" });
    return { ports, grants: createGrants(ports, DEFAULT_SETTINGS), dispatcher: { ports, leases: createLeases(ports, DEFAULT_SETTINGS), settings: DEFAULT_SETTINGS, planWork } };
  };
  const catalog = await openCatalog({ path, log: silentLog });
  await putRepository(catalog.db, { name: "main", kind: "memory", options: {} });
  await putPolicy(catalog.db, "daily", policySchema.parse({ full: { cron: "0 2 * * *" }, repository: "main", recipients: RECIPIENTS, ...policy }));
  await insertInstance(catalog.db, { id: instanceId, name: "shop", engine: "mysql", policy: "daily", region: "local", timeZone: "UTC", owner: null, connection: {}, createdAt: isoTime(T0), removedAt: null });
  const world: World = {
    ...assemble(catalog),
    storage,
    instanceId,
    knocks,
    pass: (ms) => {
      time.nowMs += ms;
      time.monotonicMs += ms;
    },
    restart: async () => {
      await world.ports.catalog.close();
      Object.assign(world, assemble(await openCatalog({ path, log: silentLog })));
    },
    close: async () => {
      await world.ports.catalog.close();
      await rm(dir, { recursive: true });
    },
  };
  return world;
}

export function submit(world: World, params: Parameters<typeof submitJob>[1]["params"]): ReturnType<typeof submitJob> {
  return submitJob(world.ports, { params, instanceId: world.instanceId, policy: "daily", subject: params.kind });
}

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

export function part(name: string, text: string): StoredPart {
  return { name, sizeBytes: Buffer.byteLength(text), sha256: sha256(text), plainBytes: text.length };
}

/** Writes an object as an agent does: with a grant. */
export async function store(world: World, order: Order, prefix: string, object: { name: string; text: string }): Promise<StoredPart> {
  const stored = part(object.name, object.text);
  await world.grants.put(order, [stored]);
  await world.storage.put(`${prefix}${object.name}`, [Buffer.from(object.text)], stored);
  return stored;
}

export const factsOf = (facts: Partial<BackupFacts> = {}): BackupFacts => ({
  flavour: "mariadb",
  serverVersion: "10.11.19",
  toolVersion: "10.11.19",
  dataIdentity: "uid-1",
  fromLsn: "0",
  toLsn: "18446744073709551000",
  logPosition: { file: "bin.000001", position: 100, gtid: "0-1-1" },
  recordedPosition: null,
  fileCount: 3,
  ...facts,
});

/** Stores two packs and an index and gives the report about them. */
export async function storeBackup(world: World, order: Order, facts: Partial<BackupFacts> = {}): Promise<BackupReport> {
  const prefix = backupPrefix(world.instanceId, order.attemptId);
  const packs = [await store(world, order, prefix, { name: packName(0), text: "pack zero" }), await store(world, order, prefix, { name: packName(1), text: "pack one" })];
  const index = await store(world, order, prefix, { name: INDEX_NAME, text: "index" });
  return { kind: "backup", packs, index, stream: { format: "xbstream", sizeBytes: 1234 }, facts: factsOf(facts), phases: [{ name: "stream", durationMs: 5, bytes: 1234 }] };
}

/** Stores one piece of log and gives the report about it. */
export async function storePiece(world: World, order: Order, span: Partial<PieceReport> & Pick<PieceReport, "startPosition" | "endPosition">): Promise<PieceReport> {
  const segmentId = world.ports.newId();
  const timeline = order.work.kind === "ship" ? order.work.timeline : "";
  const prefix = logPrefix(world.instanceId, timeline);
  const bytes = `${String(span.startPosition)}-${String(span.endPosition)}`;
  const object = await store(world, order, prefix, { name: `${segmentId}.zst.age`, text: `log ${bytes}` });
  const index = await store(world, order, prefix, { name: `${segmentId}.index.zst.age`, text: `groups ${bytes}` });
  return {
    segmentId, kind: "tail", file: "bin.000001", closesFile: false, plainSha256: sha256(bytes), object, index, groupCount: 1, firstStampS: 1, lastStampS: 2,
    gtidBefore: "0-1-1", gtidAfter: "0-1-2", replaces: [], dataIdentity: "uid-1", ...span,
  }; // prettier-ignore
}

export async function keysOf(storage: Storage, prefix = ""): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list(prefix)) keys.push(key);
  return keys;
}
