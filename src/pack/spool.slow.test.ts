import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, open as openFile, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { halfRandom, PackShelf, readAll, streamOf, testKey } from "../../test/fakes/packs.ts";
import { HoldfastError } from "../lib/errors.ts";
import { packName } from "../model/manifest.ts";
import type { SealedPack } from "./contract.ts";
import { giveBack } from "../lib/give-back.ts";
import { readPacks } from "./read.ts";
import { Spool, type SpoolOptions } from "./spool.ts";
import { writePacks } from "./write.ts";

const GRACE_MS = 20;
const PACK_BYTES = 3_000_000;
const full = (isDiskFull: boolean): HoldfastError => new HoldfastError("BUFFER_EXHAUSTED", isDiskFull ? "The disk is full." : "The spool is full.");

let root: string;
let spool: Spool | undefined;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "hf-sp-"));
});
afterEach(async () => {
  await spool?.close();
  await rm(root, { recursive: true });
});

/** A repository that takes nothing while it is closed. */
class Repository {
  readonly names: string[] = [];
  readonly objects = new Map<string, Buffer>();
  running = 0;
  mostRunning = 0;
  #gate = Promise.withResolvers<undefined>();

  open(): void {
    this.#gate.resolve(undefined);
  }

  readonly upload: SpoolOptions["upload"] = async (pack, signal) => {
    this.names.push(pack.name);
    this.mostRunning = Math.max(this.mostRunning, (this.running += 1));
    const stopped = Promise.withResolvers<never>();
    stopped.promise.catch(() => undefined);
    const onAbort = (): void => stopped.reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort);
    try {
      const chunks: Uint8Array[] = [];
      for await (const chunk of pack.chunks) {
        chunks.push(chunk);
        // Stalls with the first chunk in hand, as a socket would.
        await Promise.race([this.#gate.promise, stopped.promise]);
      }
      const bytes = Buffer.concat(chunks);
      expect(createHash("sha256").update(bytes).digest("hex")).toBe(pack.sha256);
      this.objects.set(pack.name, bytes);
    } finally {
      this.running -= 1;
      signal.removeEventListener("abort", onAbort);
    }
  };
}

function open(repository: Repository, more: Partial<SpoolOptions> = {}): Spool {
  spool = new Spool({ dir: join(root, "spool"), limitBytes: 100_000_000, upload: repository.upload, exhausted: full, signal: new AbortController().signal, graceMs: GRACE_MS, ...more });
  return spool;
}

/** A pack in three chunks, as the writer would hand it over. */
function sealed(number: number): SealedPack {
  const chunks = [1_000_000, 1_500_000, 500_000].map((sizeBytes) => new Uint8Array(randomBytes(sizeBytes).buffer.slice(0)));
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  let isOurs = true;
  return {
    number,
    name: packName(number),
    chunks,
    frames: [],
    sizeBytes: chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0),
    sha256: hash.digest("hex"),
    plainBytes: PACK_BYTES,
    release: () => {
      if (isOurs) for (const chunk of chunks) giveBack(chunk);
    },
    letGo: () => {
      isOurs = false;
    },
  };
}

/** Hands packs over as the writer does: their memory is given back as soon as `store` settles. */
function hand(to: Spool, packs: readonly SealedPack[]): Promise<void>[] {
  return packs.map(async (pack) => {
    try {
      await to.store(pack);
    } finally {
      pack.release();
    }
  });
}

const files = (): string[] => (existsSync(join(root, "spool")) ? readdirSync(join(root, "spool")).toSorted() : []);
const packs = (count: number): SealedPack[] => Array.from({ length: count }, (_, number) => sealed(number));

describe("a spool", () => {
  test("is not used while the repository keeps up", async () => {
    const repository = new Repository();
    repository.open();
    const way = open(repository);
    await Promise.all(hand(way, packs(5)));
    await way.drained();
    expect(repository.objects.size).toBe(5);
    expect(existsSync(join(root, "spool"))).toBe(false);
  });

  test("keeps packs in memory while the source does not wait for it", async () => {
    const way = open(new Repository());
    const stored = hand(way, packs(3));
    await wait(GRACE_MS * 4);
    expect([way.diskBytes, files()]).toEqual([0, []]);
    await way.close();
    expect((await Promise.allSettled(stored)).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  });

  test("frees the memory of every pack, of those under way too, and stores the same bytes in order, two at a time", async () => {
    const repository = new Repository();
    const way = open(repository);
    const first = hand(way, packs(3));
    way.memoryShort(true);
    await Promise.all(first);
    way.memoryShort(false);
    expect([way.storedBytes, way.diskBytes, repository.objects.size]).toEqual([0, 3 * PACK_BYTES, 0]);
    expect(files()).toEqual([0, 1, 2].map(packName));
    // Behind packs that wait on disk, the next one goes there without waiting for memory to be short.
    await Promise.all(hand(way, [sealed(3)]));
    expect(files()).toHaveLength(4);
    repository.open();
    await way.drained();
    expect(repository.names).toEqual([0, 1, 2, 3].map(packName));
    expect([way.storedBytes, way.diskBytes, way.isEmpty]).toEqual([4 * PACK_BYTES, 0, true]);
    expect([repository.objects.size, repository.mostRunning, files()]).toEqual([4, 2, []]);
  });

  test("does not go to disk for a wait that is shorter than the grace", async () => {
    const way = open(new Repository(), { graceMs: 200 });
    hand(way, packs(2)).forEach((each) => void each.catch(() => undefined));
    way.memoryShort(true);
    // At once, or a busy machine makes the wait longer than the grace.
    way.memoryShort(false);
    await wait(250);
    expect(files()).toEqual([]);
  });

  test("never holds more than its limit, and fails when memory is short and nothing fits any more", async () => {
    const way = open(new Repository(), { limitBytes: 2 * PACK_BYTES + 1 });
    const stored = hand(way, packs(3));
    way.memoryShort(true);
    await Promise.all(stored.slice(0, 2));
    expect([way.diskBytes, files().length]).toEqual([2 * PACK_BYTES, 2]);
    await expect(stored[2]).rejects.toMatchObject({ code: "BUFFER_EXHAUSTED", message: "The spool is full." });
    expect(way.signal.reason).toMatchObject({ code: "BUFFER_EXHAUSTED" });
    await expect(way.drained()).rejects.toMatchObject({ code: "BUFFER_EXHAUSTED" });
  });

  test("of no bytes holds the source back instead of failing", async () => {
    const repository = new Repository();
    const way = open(repository, { limitBytes: 0 });
    const stored = hand(way, packs(2));
    way.memoryShort(true);
    await wait(GRACE_MS * 4);
    expect(way.signal.aborted).toBe(false);
    repository.open();
    await Promise.all(stored);
    expect(repository.objects.size).toBe(2);
  });

  test("fails before it fills its disk up", async () => {
    const way = open(new Repository(), { diskReserveBytes: Number.MAX_SAFE_INTEGER - PACK_BYTES });
    const stored = hand(way, packs(1));
    way.memoryShort(true);
    await expect(way.drained()).rejects.toMatchObject({ code: "BUFFER_EXHAUSTED", message: "The disk is full." });
    await expect(stored[0]).rejects.toMatchObject({ code: "BUFFER_EXHAUSTED" });
    expect(files()).toEqual([]);
  });

  test("names a directory that it cannot use", async () => {
    const way = open(new Repository(), { dir: "/dev/full/spool" });
    const stored = hand(way, packs(1));
    way.memoryShort(true);
    await expect(stored[0]).rejects.toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("/dev/full/spool") as unknown });
  });

  test("ends everything with the error of an upload, and leaves nothing", async () => {
    const repository = new Repository();
    const broken = new HoldfastError("STORAGE_FAILED", "The bucket is gone.");
    const way = open(repository, { upload: (pack, signal) => (pack.name === packName(2) ? Promise.reject(broken) : repository.upload(pack, signal)) });
    const early = hand(way, packs(3));
    way.memoryShort(true);
    await Promise.all(early);
    repository.open();
    await expect(way.drained()).rejects.toBe(broken);
    await expect(way.store(sealed(3))).rejects.toBe(broken);
    await way.close();
    expect([repository.running, existsSync(join(root, "spool"))]).toEqual([0, false]);
  });

  test("leaves nothing when the job is stopped in the middle", async () => {
    const repository = new Repository();
    const stop = new AbortController();
    const way = open(repository, { signal: stop.signal });
    const stored = hand(way, packs(4));
    way.memoryShort(true);
    await wait(GRACE_MS + 1);
    stop.abort(new Error("stopped by hand"));
    await Promise.allSettled(stored);
    await expect(way.drained()).rejects.toThrow("stopped by hand");
    await way.close();
    expect([repository.running, existsSync(join(root, "spool"))]).toEqual([0, false]);
  });

  test("does not store what its disk lost", async () => {
    const repository = new Repository();
    const way = open(repository);
    const early = hand(way, packs(3));
    way.memoryShort(true);
    await Promise.all(early);
    await truncate(join(root, "spool", packName(2)), 1_000_000);
    repository.open();
    await expect(way.drained()).rejects.toMatchObject({ code: "STREAM_DAMAGED", message: expect.stringContaining(packName(2)) as unknown });
    expect(repository.objects.has(packName(2))).toBe(false);
  });

  test("does not store what its disk altered, though the repository no longer hashes what was proven", async () => {
    const repository = new Repository();
    const way = open(repository);
    const early = hand(way, packs(3));
    way.memoryShort(true);
    await Promise.all(early);
    const file = await openFile(join(root, "spool", packName(2)), "r+");
    await file.write(Buffer.of(0, 0, 0, 0, 0, 0, 0, 0), 0, 8, 2_000_000);
    await file.close();
    repository.open();
    await expect(way.drained()).rejects.toMatchObject({ code: "STREAM_DAMAGED", message: expect.stringContaining("SHA-256") as unknown });
    expect(repository.objects.has(packName(2))).toBe(false);
  });
});

test("a stalled repository does not hold writePacks back, and everything that was read is stored and comes back", async () => {
  const key = await testKey();
  const plain = halfRandom(30_000_000);
  const signal = new AbortController().signal;
  const shelf = new PackShelf();
  const repository = new Repository();
  const way = open(repository);
  const written = await writePacks(streamOf(plain, 65_536), {
    recipients: [key.recipient], compressionLevel: 1, frameBytes: 262_144, packBytes: 1_000_000, bufferBytes: 4_000_000,
    signal: way.signal, store: way.store, storesAtOnce: Number.POSITIVE_INFINITY, onMemoryShort: way.memoryShort,
  }); // prettier-ignore
  expect([written.plainBytes, way.storedBytes, repository.objects.size]).toEqual([plain.byteLength, 0, 0]);
  expect(way.diskBytes).toBeGreaterThan(8_000_000);
  repository.open();
  await way.drained();
  for (const [name, bytes] of repository.objects) shelf.objects.set(name, bytes);
  const parts = written.packs.map(({ part }) => part);
  expect((await readAll(readPacks({ parts, fetch: shelf.fetch, openHeader: key.openHeader, signal }))).equals(plain)).toBe(true);
});
