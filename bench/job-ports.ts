import { join } from "node:path";
import { Decrypter } from "age-encryption";
import { DEFAULT_BUFFERS } from "../src/agent/space.ts";
import { mysqlEngine } from "../src/engines/mysql/index.ts";
import { sandboxAccount } from "../src/engines/mysql/server-process.ts";
import type { JobPorts } from "../src/jobs/ports.ts";
import { systemClock } from "../src/lib/clock.ts";
import { idFactory } from "../src/lib/ids.ts";
import { silentLog } from "../src/lib/log.ts";
import type { Order } from "../src/model/job.ts";
import { localStorage } from "../src/storage/local.ts";

const INSTANCE_ID = "01J00000000000000000000000";
export const PREFIX = "bench/";

export interface JobWorld {
  readonly connection: Record<string, unknown>;
  readonly repositoryPath: string;
  readonly scratchDir: string;
  readonly identity: string;
  readonly work: Order["work"];
}

/** The ports of a job without a server: objects go straight to the local driver, with fsync and link as ever. */
export function jobPorts(world: JobWorld): JobPorts {
  const storage = localStorage.open({ path: world.repositoryPath });
  const decrypter = new Decrypter();
  decrypter.addIdentity(world.identity);
  const newId = idFactory();
  const signal = new AbortController().signal;
  return {
    order: {
      jobId: newId(),
      attemptId: newId(),
      fencingToken: 1,
      leaseMs: 60_000,
      heartbeatEveryMs: 5_000,
      instance: { id: INSTANCE_ID, name: "bench", engine: "mysql", timeZone: "UTC", connection: world.connection },
      repository: "bench",
      work: world.work,
    },
    engine: mysqlEngine,
    signal,
    scratchDir: world.scratchDir,
    buffers: { ...DEFAULT_BUFFERS, spoolDir: join(world.scratchDir, "spool") },
    sandboxUser: sandboxAccount(),
    log: silentLog,
    clock: systemClock,
    newId,
    put: async ({ name, sizeBytes, sha256, chunks }) => {
      await storage.put(`${PREFIX}${name}`, chunks, { sizeBytes, sha256, signal });
    },
    get: (key, range) => storage.get(key, range === undefined ? { signal } : { range, signal }),
    openHeader: (_key, header) => decrypter.decryptHeader(header),
    reportPiece: () => Promise.reject(new Error("no log is shipped here")),
    reportRead: () => Promise.reject(new Error("nothing is checked here")),
    progress: () => undefined,
    onEnd: () => undefined,
    runHook: () => Promise.resolve(),
  };
}
