import { Readable } from "node:stream";
import { z } from "zod";
import type { Engine, Sandbox } from "../../src/engines/engine.ts";
import type { JobPorts } from "../../src/jobs/ports.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { idFactory } from "../../src/lib/ids.ts";
import { silentLog } from "../../src/lib/log.ts";
import type { BackupRef } from "../../src/model/backup.ts";
import type { BackupIndex } from "../../src/model/backup-index.ts";
import type { Work } from "../../src/model/job.ts";
import { sealBytes } from "../../src/pack/seal.ts";
import { testKey, type TestKey } from "./packs.ts";

/** A throwaway server of a fake engine. */
export const sandboxStandIn: Sandbox = {
  socket: "/nowhere", pid: 0, replay: () => Promise.resolve(), objectDigests: () => Promise.resolve([]), rowCounts: () => Promise.resolve([]), checkTables: () => Promise.resolve([]),
  assertion: () => Promise.resolve(null), heartbeat: () => Promise.resolve(null), dumpTable: () => Promise.resolve(), stop: () => Promise.resolve(),
};

export const INSTANCE_ID = "01J00000000000000000000000";
const NEVER = new AbortController().signal;
const newId = idFactory();

/** Backups without a byte of data, each with a real sealed index, for jobs whose engine is a fake. */
export class EmptyBackups {
  readonly #objects = new Map<string, Buffer>();
  readonly #key: TestKey;

  static async make(): Promise<EmptyBackups> {
    return new EmptyBackups(await testKey());
  }

  private constructor(key: TestKey) {
    this.#key = key;
  }

  async add(kind: "full" | "incremental", parentId: string | null = null): Promise<BackupRef> {
    const backupId = newId();
    const prefix = `${INSTANCE_ID}/backups/${backupId}/`;
    const server = { variables: {}, plugins: [], configFiles: [], grants: [], objects: [], counts: [], heartbeat: null, omissions: [] };
    const content: BackupIndex = { formatVersion: 1, packs: [], files: [], server };
    const { part, chunks } = await sealBytes(Buffer.from(JSON.stringify(content)), { name: "index.zst.age", recipients: [this.#key.recipient], compressionLevel: 1 });
    this.#objects.set(`${prefix}${part.name}`, Buffer.concat([...chunks]));
    const facts = { flavour: "fake", serverVersion: "1", toolVersion: "1", dataIdentity: "d", fromLsn: "0", toLsn: "1", logPosition: null, recordedPosition: null, fileCount: 0 };
    return { backupId, kind, parentId, repository: "main", prefix, streamFormat: "fake", streamBytes: 0, packs: [], index: part, facts };
  }

  /** What a job on these backups may ask of the world; `engine` has only what the test is about. */
  ports(at: { work: Work; scratchDir: string; engine: Partial<Engine> }): JobPorts {
    const attemptId = newId();
    const engine: Partial<Engine> = { kind: "fake", title: "fake", options: z.unknown(), unpack: () => Promise.resolve(), tools: () => Promise.resolve({}), ...at.engine };
    return {
      order: {
        jobId: attemptId, attemptId, fencingToken: 1, leaseMs: 1, heartbeatEveryMs: 1, repository: "main", work: at.work,
        instance: { id: INSTANCE_ID, name: "shop", engine: "fake", timeZone: "UTC", connection: {} },
      },
      engine: engine as Engine,
      scratchDir: at.scratchDir, signal: NEVER, sandboxUser: undefined, log: silentLog, clock: systemClock, newId,
      buffers: { bufferBytes: 1, spoolBytes: 0, spoolDir: at.scratchDir },
      put: () => Promise.resolve(),
      reportRead: () => Promise.resolve(),
      get: (key) => Promise.resolve(Readable.from([this.#objects.get(key) ?? Buffer.alloc(0)], { objectMode: false })),
      openHeader: (name, header) => this.#key.openHeader(name, header),
      reportPiece: () => Promise.resolve(),
      progress: () => undefined,
      onEnd: () => undefined,
      runHook: () => Promise.resolve(),
    };
  }
}
