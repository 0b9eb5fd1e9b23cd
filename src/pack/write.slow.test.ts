import { once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { halfRandom, PackShelf, readAll, streamOf, testKey, type TestKey } from "../../test/fakes/packs.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { SealedPack, WriteOptions } from "./contract.ts";
import { readPacks } from "./read.ts";
import { writePacks } from "./write.ts";

let key: TestKey;
beforeAll(async () => {
  key = await testKey();
});

function options(shelf: PackShelf, more: Partial<WriteOptions> = {}): WriteOptions {
  return { recipients: [key.recipient], compressionLevel: 1, store: shelf.store, signal: new AbortController().signal, ...more };
}

async function roundTrip(plain: Buffer, more: Partial<WriteOptions> = {}): Promise<{ packCount: number; read: Buffer }> {
  const shelf = new PackShelf();
  const written = await writePacks(streamOf(plain, 30_011), options(shelf, more));
  expect(written.plainBytes).toBe(plain.byteLength);
  const parts = written.packs.map(({ part }) => part);
  const read = await readAll(readPacks({ parts, fetch: shelf.fetch, openHeader: key.openHeader, signal: new AbortController().signal }));
  return { packCount: parts.length, read };
}

function threadCount(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "MessagePort").length;
}

const MIB = 1024 * 1024;

describe("writePacks", () => {
  test.each([1, 2, 65_535, 65_536, 65_537, MIB - 1, MIB, MIB + 1, 3 * MIB + 17])("%i bytes come back as they were", async (sizeBytes) => {
    const plain = halfRandom(sizeBytes);
    const { read, packCount } = await roundTrip(plain, { frameBytes: MIB });
    expect(read.equals(plain)).toBe(true);
    expect(packCount).toBe(1);
  });

  test("any size, frame size and pack size give the bytes back in order", async () => {
    const cases = fc.record({
      sizeBytes: fc.integer({ min: 1, max: 700_000 }),
      frameBytes: fc.constantFrom(1_000, 65_536, 100_000, MIB),
      packBytes: fc.constantFrom(1_000, 65_536, 200_000, 32 * MIB),
      bufferBytes: fc.constantFrom(100_000, 128 * MIB),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ sizeBytes, ...sizes }) => {
        const plain = halfRandom(sizeBytes);
        const { read } = await roundTrip(plain, sizes);
        expect(read.equals(plain)).toBe(true);
      }),
      { numRuns: 15 },
    );
  });

  test("a pack ends with the frame that makes it reach packBytes, and packs are listed in the stream's order", async () => {
    const shelf = new PackShelf();
    const seen: SealedPack[] = [];
    const store = async (pack: SealedPack): Promise<void> => {
      seen.push(pack);
      // The first one is the slowest: the order of ends is not the order of packs.
      await wait(pack.number === 0 ? 150 : 1);
      await shelf.store(pack, new AbortController().signal);
    };
    const { packs } = await writePacks(streamOf(halfRandom(20 * 65_536)), options(shelf, { frameBytes: 65_536, packBytes: 200_000, store }));
    expect(packs.length).toBeGreaterThan(2);
    expect(packs.map(({ part }) => part.name)).toEqual(packs.map((_, number) => `${String(number).padStart(6, "0")}.zst.age`));
    for (const { part } of packs.slice(0, -1)) expect(part.sizeBytes).toBeGreaterThanOrEqual(200_000);
    for (const { part, frames } of packs) {
      const last = frames.at(-1)!;
      expect(part.sizeBytes - last.frameBytes).toBeLessThan(200_000);
      expect(shelf.objects.get(part.name)?.byteLength).toBe(part.sizeBytes);
    }
    expect(seen[0]?.chunks.every((chunk) => chunk.byteLength === 0)).toBe(true);
  });

  test("frames tell where their bytes lie in the stream and in the decrypted payload", async () => {
    const shelf = new PackShelf();
    const { packs, plainBytes } = await writePacks(streamOf(halfRandom(300_000)), options(shelf, { frameBytes: 65_536, packBytes: 100_000 }));
    let streamOffset = 0;
    for (const { part, frames } of packs) {
      let packOffset = 0;
      for (const frame of frames) {
        expect(frame).toMatchObject({ streamOffset, packOffset });
        streamOffset += frame.plainBytes;
        packOffset += frame.frameBytes;
      }
      expect(frames.reduce((sum, frame) => sum + frame.plainBytes, 0)).toBe(part.plainBytes);
    }
    expect(streamOffset).toBe(plainBytes);
  });

  test("a store may give a pack's buffers back by itself", async () => {
    const shelf = new PackShelf();
    const store: WriteOptions["store"] = async (pack, signal) => {
      await shelf.store(pack, signal);
      pack.release();
      expect(pack.chunks[0]?.byteLength).toBe(0);
    };
    await expect(writePacks(streamOf(halfRandom(300_000)), options(shelf, { frameBytes: 65_536, store }))).resolves.toMatchObject({ plainBytes: 300_000 });
  });

  test("progress counts plain and stored bytes up to the whole", async () => {
    const shelf = new PackShelf();
    let last = { plainBytes: 0, storedBytes: 0 };
    const onProgress = (progress: typeof last): void => {
      last = progress;
    };
    const { packs } = await writePacks(streamOf(halfRandom(300_000)), options(shelf, { frameBytes: 65_536, onProgress }));
    expect(last).toEqual({ plainBytes: 300_000, storedBytes: packs.reduce((sum, { part }) => sum + part.sizeBytes, 0) });
  });

  test("a stalled repository holds the source back inside the budget, and nothing is lost when it goes on", async () => {
    const shelf = new PackShelf();
    const plain = halfRandom(8 * MIB);
    let givenBytes = 0;
    const source = Readable.from(
      (function* () {
        for (let offset = 0; offset < plain.byteLength; offset += 65_536) {
          givenBytes += 65_536;
          yield plain.subarray(offset, offset + 65_536);
        }
      })(),
      { objectMode: false },
    );
    const goOn = Promise.withResolvers<undefined>();
    const store: WriteOptions["store"] = async (pack, signal) => {
      await goOn.promise;
      await shelf.store(pack, signal);
    };
    const writing = writePacks(source, options(shelf, { frameBytes: 65_536, packBytes: 200_000, bufferBytes: 2 * MIB, store }));
    await wait(600);
    const heldBack = givenBytes;
    goOn.resolve(undefined);
    const { packs } = await writing;
    // About a half of the plain bytes is held sealed; the rest is ring and stream buffers.
    expect(heldBack).toBeLessThan(5 * MIB);
    const parts = packs.map(({ part }) => part);
    const read = await readAll(readPacks({ parts, fetch: shelf.fetch, openHeader: key.openHeader, signal: new AbortController().signal }));
    expect(read.equals(plain)).toBe(true);
  });
});

describe("writePacks when something goes wrong", () => {
  async function failsWith(source: Readable, more: Partial<WriteOptions>): Promise<unknown> {
    const before = threadCount();
    const error: unknown = await writePacks(source, options(new PackShelf(), { frameBytes: 65_536, packBytes: 100_000, ...more })).then(
      () => "it resolved",
      (reason: unknown) => reason,
    );
    expect(source.destroyed).toBe(true);
    await expect.poll(threadCount).toBe(before);
    return error;
  }

  test("an empty source is an error", async () => {
    const error = await failsWith(Readable.from([], { objectMode: false }), {});
    expect(error).toMatchObject({ code: "STREAM_DAMAGED", message: expect.stringContaining("the tool wrote nothing") as string });
  });

  test("a source that fails after its last byte rejects with that error", async () => {
    const cause = new HoldfastError("TOOL_FAILED", "the tool ended with code 1");
    const source = new Readable({ read: () => undefined });
    source.push(halfRandom(200_000));
    setTimeout(() => source.destroy(cause), 100);
    expect(await failsWith(source, {})).toBe(cause);
  });

  test("a source that fails after its end was read rejects as well", async () => {
    const cause = new HoldfastError("TOOL_FAILED", "the tool ended with code 1");
    const source = new Readable({ read: () => undefined, autoDestroy: false });
    source.push(halfRandom(200_000));
    source.push(null);
    const store = async (): Promise<void> => {
      source.destroy(cause);
      await wait(10);
    };
    expect(await failsWith(source, { store })).toBe(cause);
  });

  test("a source that is cut off without an end rejects", async () => {
    const source = new PassThrough();
    source.write(halfRandom(100_000));
    setTimeout(() => source.destroy(), 50);
    expect(await failsWith(source, {})).toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
  });

  test("an abort ends it with the signal's reason while the source stalls", async () => {
    const controller = new AbortController();
    const reason = new HoldfastError("CANCELLED", "enough");
    const source = new PassThrough();
    source.write(halfRandom(200_000));
    setTimeout(() => controller.abort(reason), 100);
    expect(await failsWith(source, { signal: controller.signal })).toBe(reason);
  });

  test("a signal that was aborted before is heeded", async () => {
    const reason = new HoldfastError("CANCELLED", "enough");
    expect(await failsWith(streamOf(halfRandom(1_000)), { signal: AbortSignal.abort(reason) })).toBe(reason);
  });

  test("a store that fails ends it with its error, aborts the others, and every pack is given back", async () => {
    const cause = new HoldfastError("STORAGE_FULL", "no space");
    const packs: SealedPack[] = [];
    let othersAborted = 0;
    const store: WriteOptions["store"] = async (pack, signal) => {
      packs.push(pack);
      if (pack.number === 1) throw cause;
      if (!signal.aborted) await once(signal, "abort");
      othersAborted += 1;
      throw signal.reason;
    };
    expect(await failsWith(streamOf(halfRandom(4 * MIB)), { store })).toBe(cause);
    expect(othersAborted).toBe(packs.length - 1);
    expect(packs.every((pack) => pack.chunks.every((chunk) => chunk.byteLength === 0))).toBe(true);
  });

  test("a recipient that is none is named", async () => {
    const error = await failsWith(streamOf(halfRandom(1_000)), { recipients: ["age1nonsense"] });
    expect(error).toMatchObject({ code: "RECIPIENT_INVALID", message: expect.stringContaining("age1nonsense") as string });
  });

  test("a compressor that cannot work ends it", async () => {
    const error = await failsWith(streamOf(halfRandom(100_000)), { compressionLevel: "high" as unknown as number });
    expect(error).toMatchObject({ code: "INTERNAL", message: expect.stringContaining("compressor thread failed") as string });
  });
});
