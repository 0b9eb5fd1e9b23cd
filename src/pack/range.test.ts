import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { halfRandom, PackShelf, streamOf, testKey, type TestKey } from "../../test/fakes/packs.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type IndexedPack, mergeRanges, type PlainRange, type RangeReadOptions, readRanges } from "./range.ts";
import { writePacks } from "./write.ts";

const FRAME_BYTES = 100_000;

let key: TestKey;
let plain: Buffer;
let shelf: PackShelf;
let packs: IndexedPack[];
let storedBytes = 0;
let fetched: { name: string; start: number; end: number }[] = [];

beforeAll(async () => {
  key = await testKey();
  plain = halfRandom(2_300_001);
  shelf = new PackShelf();
  const signal = new AbortController().signal;
  const written = await writePacks(streamOf(plain), { recipients: [key.recipient], compressionLevel: 3, frameBytes: FRAME_BYTES, packBytes: 300_000, store: shelf.store, signal });
  packs = [...written.packs];
  storedBytes = packs.reduce((sum, { part }) => sum + part.sizeBytes, 0);
  expect(packs.length).toBeGreaterThan(3);
});

const fetchFrom = (objects: ReadonlyMap<string, Buffer>): RangeReadOptions["fetch"] => async (part, { start, end }) => {
  fetched.push({ name: part.name, start, end });
  return streamOf((objects.get(part.name) ?? Buffer.alloc(0)).subarray(start, end), 10_007);
};

async function read(ranges: readonly PlainRange[], more: Partial<RangeReadOptions> = {}): Promise<{ streamOffset: number; bytes: Buffer }[]> {
  fetched = [];
  const pieces: { streamOffset: number; bytes: Buffer }[] = [];
  const options = { packs, ranges, fetch: fetchFrom(shelf.objects), openHeader: key.openHeader, signal: new AbortController().signal, ...more };
  for await (const piece of readRanges(options)) pieces.push(piece);
  return pieces;
}

/** The shelf with one byte of one pack turned. */
function altered(name: string, at: number): Map<string, Buffer> {
  const bytes = Buffer.from(shelf.objects.get(name) ?? Buffer.alloc(0));
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return new Map(shelf.objects).set(name, bytes);
}

describe("ranges of the plain stream", () => {
  test("are the bytes that were written there, in order, whatever ranges are asked for", async () => {
    const range = fc.tuple(fc.integer({ min: 0, max: 2_300_001 }), fc.integer({ min: 0, max: 250_000 })).map(([start, length]) => ({ start, end: Math.min(2_300_001, start + length) }));
    await fc.assert(
      fc.asyncProperty(fc.array(range, { maxLength: 6 }), async (ranges) => {
        const pieces = await read(ranges);
        const wanted = mergeRanges(ranges).map(({ start, end }) => plain.subarray(start, end));
        expect(Buffer.concat(pieces.map(({ bytes }) => bytes)).equals(Buffer.concat(wanted))).toBe(true);
        for (const { streamOffset, bytes } of pieces) expect(bytes.equals(plain.subarray(streamOffset, streamOffset + bytes.byteLength))).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test("cost no more than the frames they lie in, rounded up to chunks, and a header", async () => {
    await read([{ start: 1_050_000, end: 1_050_010 }]);
    const bytes = fetched.reduce((sum, { start, end }) => sum + end - start, 0);
    expect(new Set(fetched.map(({ name }) => name)).size).toBe(1);
    expect(bytes).toBeLessThan(FRAME_BYTES + 2 * 65_552 + 2_048);
    expect(bytes).toBeLessThan(storedBytes / 5);
    expect(await read([])).toEqual([]);
    expect(fetched).toEqual([]);
  });

  test("that no frame holds are refused", async () => {
    await expect(read([{ start: 2_300_000, end: 2_300_002 }])).rejects.toMatchObject({ code: "FORMAT_INVALID" });
  });
});

describe("what is not what was written", () => {
  test("is refused by the chunk's tag, naming the pack, when it is read, and not seen when it is not", async () => {
    const name = packs[1]?.part.name ?? "";
    const first = packs[1]?.frames[0]?.streamOffset ?? 0;
    const size = shelf.objects.get(name)?.byteLength ?? 0;
    const late = fetchFrom(altered(name, size - 20));
    const lastFrame = packs[1]?.frames.at(-1)?.streamOffset ?? 0;
    await expect(read([{ start: lastFrame, end: lastFrame + 10 }], { fetch: late })).rejects.toMatchObject({ code: "OBJECT_DAMAGED", message: expect.stringMatching(`${name}.*altered`) as string });
    expect((await read([{ start: first, end: first + 10 }], { fetch: late }))[0]?.bytes.equals(plain.subarray(first, first + 10))).toBe(true);
  });

  test("is refused when chunks change places, come short, or end early", async () => {
    const { part, frames } = packs[0] as IndexedPack;
    const bytes = shelf.objects.get(part.name) ?? Buffer.alloc(0);
    const payloadStart = bytes.indexOf("\n", bytes.indexOf("\n--- ") + 5) + 1 + 16;
    const [one, two] = [0, 1].map((number) => bytes.subarray(payloadStart + number * 65_552, payloadStart + (number + 1) * 65_552)) as [Buffer, Buffer];
    const swapped = Buffer.concat([bytes.subarray(0, payloadStart), two, one, bytes.subarray(payloadStart + 2 * 65_552)]);
    const all = [{ start: 0, end: frames.reduce((sum, frame) => sum + frame.plainBytes, 0) }];
    await expect(read(all, { fetch: fetchFrom(new Map(shelf.objects).set(part.name, swapped)) })).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
    await expect(read(all, { fetch: fetchFrom(new Map(shelf.objects).set(part.name, bytes.subarray(0, -1))) })).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
    // A pack that was cut at the border of two chunks, and a catalog that believes it: the last chunk was not sealed as the last.
    const cut = bytes.subarray(0, payloadStart + 2 * 65_552);
    const shorter = [{ part: { ...part, sizeBytes: cut.byteLength }, frames: frames.filter((frame) => frame.packOffset + frame.frameBytes <= 2 * 65_536) }];
    const inside = [{ start: 0, end: shorter[0]?.frames.reduce((sum, frame) => sum + frame.plainBytes, 0) ?? 0 }];
    await expect(read(inside, { packs: shorter, fetch: fetchFrom(new Map([[part.name, cut]])) })).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
  });

  test("is refused when the index tells another size of a frame", async () => {
    const wrong = packs.map(({ part, frames }) => ({ part, frames: frames.map((frame) => ({ ...frame, plainBytes: frame.plainBytes - 1 })) }));
    await expect(read([{ start: 0, end: 10 }], { packs: wrong })).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
  });

  test("stays shut without the key", async () => {
    const other = await testKey();
    const openHeader: RangeReadOptions["openHeader"] = async (name, header) => {
      try {
        return await other.openHeader(name, header);
      } catch (cause) {
        throw new HoldfastError("KEY_WRONG", `no key for ${name}`, { cause });
      }
    };
    await expect(read([{ start: 0, end: 10 }], { openHeader })).rejects.toMatchObject({ code: "KEY_WRONG" });
  });

  test("is not waited for after a cancel", async () => {
    const cancel = new AbortController();
    cancel.abort(new Error("cancelled"));
    await expect(read([{ start: 0, end: 10 }], { signal: cancel.signal })).rejects.toThrow("cancelled");
  });
});
