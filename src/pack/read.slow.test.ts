import { createHash, randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { halfRandom, PackShelf, partOf, readAll, streamOf, testKey, type TestKey } from "../../test/fakes/packs.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { StoredPart } from "../model/manifest.ts";
import type { ReadOptions } from "./contract.ts";
import { readPacks } from "./read.ts";
import { openBytes, sealBytes } from "./seal.ts";
import { writePacks } from "./write.ts";

let key: TestKey;
let folder: string;
let identityPath: string;
let plain: Buffer;
let shelf: PackShelf;
let parts: StoredPart[];

beforeAll(async () => {
  key = await testKey();
  folder = await mkdtemp(join(tmpdir(), "hf-pk-"));
  identityPath = join(folder, "key.txt");
  await writeFile(identityPath, `${key.identity}\n`, { mode: 0o600 });
  plain = halfRandom(900_001);
  shelf = new PackShelf();
  const signal = new AbortController().signal;
  const written = await writePacks(streamOf(plain), { recipients: [key.recipient], compressionLevel: 3, frameBytes: 65_536, packBytes: 150_000, store: shelf.store, signal });
  parts = written.packs.map(({ part }) => part);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function read(more: Partial<ReadOptions> = {}): Readable {
  return readPacks({ parts, fetch: shelf.fetch, openHeader: key.openHeader, signal: new AbortController().signal, ...more });
}

/** Reads with other bytes in the place of one pack. */
function readWith(number: number, stored: Uint8Array, part: StoredPart = parts[number]!): Promise<Buffer> {
  const fetch: ReadOptions["fetch"] = async (asked, signal) => (asked.name === part.name ? streamOf(stored, 20_000) : shelf.fetch(asked, signal));
  return readAll(read({ fetch, parts: parts.map((other) => (other.name === part.name ? part : other)) }));
}

const damagedAt = (name: string): object => ({ code: "OBJECT_DAMAGED", message: expect.stringContaining(name) as string });

function decryptWithTools(stored: Uint8Array): Buffer {
  return execFileSync("sh", ["-c", `age -d -i '${identityPath}' | zstd -d -q`], { input: stored, maxBuffer: 1e9 });
}

function sealWithTools(frames: readonly Buffer[]): Buffer {
  const compressed = frames.map((frame) => execFileSync("zstd", ["-q", "-3", "-c"], { input: frame, maxBuffer: 1e9 }));
  return execFileSync("age", ["-r", key.recipient], { input: Buffer.concat(compressed), maxBuffer: 1e9 });
}

describe("the stored form is open", () => {
  test("age and zstd give back what was written, pack by pack", () => {
    const decrypted = parts.map((part) => decryptWithTools(shelf.objects.get(part.name)!));
    expect(parts.length).toBeGreaterThan(2);
    expect(Buffer.concat(decrypted).equals(plain)).toBe(true);
    expect(decrypted.map((bytes) => bytes.byteLength)).toEqual(parts.map((part) => part.plainBytes));
  });

  test("every frame carries its plain size and a checksum, and lies where the index says", async () => {
    const onShelf = new PackShelf();
    const signal = new AbortController().signal;
    const { packs } = await writePacks(streamOf(plain), { recipients: [key.recipient], compressionLevel: 3, frameBytes: 100_000, store: onShelf.store, signal });
    const payload = execFileSync("age", ["-d", "-i", identityPath], { input: onShelf.objects.get("000000.zst.age"), maxBuffer: 1e9 });
    for (const frame of packs[0]!.frames) {
      const bytes = payload.subarray(frame.packOffset, frame.packOffset + frame.frameBytes);
      expect(bytes[4]! & 0x24).toBe(0x24);
      expect(execFileSync("zstd", ["-d", "-q"], { input: bytes }).equals(plain.subarray(frame.streamOffset, frame.streamOffset + frame.plainBytes))).toBe(true);
    }
    expect(packs[0]!.frames).toHaveLength(10);
  });

  test.each([1, 65_535, 65_536, 65_537, 131_072])("age and zstd open a sealed document of %i bytes", async (sizeBytes) => {
    // Random bytes do not compress, so the payload passes the chunk border with the plain size.
    const document = randomBytes(sizeBytes);
    const { chunks } = await sealBytes(document, { name: "d.zst.age", recipients: [key.recipient], compressionLevel: 3 });
    expect(decryptWithTools(Buffer.concat(chunks)).equals(document)).toBe(true);
  });

  test("a payload whose last chunk is exactly full is written and read right", async () => {
    // A raw frame of n random bytes is n and a fixed overhead: find the n that fills two chunks.
    const probe = await sealBytes(randomBytes(100_000), { name: "p", recipients: [key.recipient], compressionLevel: 1 });
    const empty = await sealBytes(new Uint8Array(0), { name: "p", recipients: [key.recipient], compressionLevel: 1 });
    const overhead = probe.part.sizeBytes - empty.part.sizeBytes - 100_000 - 16;
    for (let sizeBytes = 131_072 - overhead - 40; sizeBytes < 131_072 - overhead + 10; sizeBytes += 1) {
      const document = randomBytes(sizeBytes);
      const { part, chunks } = await sealBytes(document, { name: "p", recipients: [key.recipient], compressionLevel: 1 });
      const stored = Buffer.concat(chunks);
      expect(Buffer.from(await openBytes(part, stored, key.openHeader)).equals(document)).toBe(true);
    }
  });

  test("a pack made by zstd and age, of several frames, is read", async () => {
    const frames = [halfRandom(300_000), Buffer.alloc(500_000), randomBytes(10), Buffer.alloc(0), halfRandom(70_000)];
    const stored = sealWithTools(frames);
    const part = partOf("000000.zst.age", stored, 870_010);
    const back = await readAll(read({ parts: [part], fetch: async () => streamOf(stored, 777) }));
    expect(back.equals(Buffer.concat(frames))).toBe(true);
  });
});

describe("readPacks", () => {
  test("gives the plain bytes in order, and progress up to the whole", async () => {
    let last = { plainBytes: 0, storedBytes: 0 };
    const back = await readAll(read({ onProgress: (progress) => (last = progress) }));
    expect(back.equals(plain)).toBe(true);
    expect(last).toEqual({ plainBytes: plain.byteLength, storedBytes: parts.reduce((sum, part) => sum + part.sizeBytes, 0) });
  });

  test("each header is opened once, with all of it and nothing else", async () => {
    const opened: string[] = [];
    const openHeader: ReadOptions["openHeader"] = (name, header) => {
      opened.push(name);
      expect(Buffer.from(header).toString("latin1")).toMatch(/^age-encryption\.org\/v1\n-> X25519 [^]*\n--- [^\n]+\n$/);
      return key.openHeader(name, header);
    };
    await readAll(read({ openHeader }));
    expect(opened).toEqual(parts.map((part) => part.name));
  });

  test("a slow consumer holds back the fetching", async () => {
    let fetched = 0;
    const stream = read({ fetch: (part, signal) => ((fetched += 1), shelf.fetch(part, signal)) });
    for await (const _chunk of stream) {
      await wait(100);
      break;
    }
    expect(fetched).toBeLessThanOrEqual(2);
  });

  test("every flipped bit is found, wherever it lies", async () => {
    const number = 1;
    const stored = shelf.objects.get(parts[number]!.name)!;
    const places = [0, 21, 25, 60, 100, 199, 230, 250, 300, 65_900, stored.byteLength - 17, stored.byteLength - 1];
    for (let place = 997; place < stored.byteLength; place += 15_013) places.push(place);
    for (const place of places) {
      const altered = Buffer.from(stored);
      altered[place]! ^= 1 << place % 8;
      const openHeader: ReadOptions["openHeader"] = async (name, header) =>
        key.openHeader(name, header).catch((cause: unknown) => {
          throw new HoldfastError("KEY_WRONG", `no key opens ${name}`, { cause });
        });
      const fetch: ReadOptions["fetch"] = async (asked, signal) => (asked.name === parts[number]!.name ? streamOf(altered) : shelf.fetch(asked, signal));
      await expect(readAll(read({ fetch, openHeader })), `bit at ${place}`).rejects.toMatchObject(damagedAt("000001.zst.age"));
    }
  });

  test.each([1, 17, 300, 65_552, 70_000])("a pack that lost its last %i bytes is refused, also when the manifest was made for it", async (lost) => {
    const stored = shelf.objects.get(parts[1]!.name)!;
    const cut = stored.subarray(0, stored.byteLength - lost);
    await expect(readWith(1, cut)).rejects.toMatchObject(damagedAt("000001.zst.age"));
    await expect(readWith(1, cut, partOf("000001.zst.age", cut, parts[1]!.plainBytes))).rejects.toMatchObject(damagedAt("000001.zst.age"));
  });

  test("a pack that is cut at a chunk's end lacks its last chunk's mark and is refused", async () => {
    const stored = shelf.objects.get(parts[1]!.name)!;
    const headBytes = stored.indexOf("\n", stored.indexOf("\n--- ") + 1) + 1 + 16;
    const cut = stored.subarray(0, headBytes + 65_552);
    await expect(readWith(1, cut, partOf("000001.zst.age", cut, 1))).rejects.toMatchObject({ code: "OBJECT_DAMAGED", message: expect.stringContaining("not the last one") as string });
  });

  test.each([1, 16, 17, 70_000])("a pack with %i more bytes is refused, also when the manifest was made for it", async (more) => {
    const longer = Buffer.concat([shelf.objects.get(parts[1]!.name)!, randomBytes(more)]);
    await expect(readWith(1, longer)).rejects.toMatchObject(damagedAt("000001.zst.age"));
    await expect(readWith(1, longer, partOf("000001.zst.age", longer, parts[1]!.plainBytes))).rejects.toMatchObject(damagedAt("000001.zst.age"));
  });

  test("the packs of another stream do not pass for these", async () => {
    await expect(readWith(1, shelf.objects.get(parts[2]!.name)!)).rejects.toMatchObject(damagedAt("000001.zst.age"));
  });

  test.each([-1, 1])("a plain size that is %i off is refused", async (off) => {
    const part = { ...parts[1]!, plainBytes: parts[1]!.plainBytes + off };
    await expect(readWith(1, shelf.objects.get(part.name)!, part)).rejects.toMatchObject(damagedAt("000001.zst.age"));
  });

  test.each<[string, (frame: Buffer) => Buffer]>([
    ["bytes after the last frame", (frame) => Buffer.concat([frame, Buffer.from("trailing")])],
    ["a frame that is cut", (frame) => frame.subarray(0, frame.byteLength - 2)],
    ["a wrong checksum", (frame) => Buffer.concat([frame.subarray(0, -1), Buffer.from([frame.at(-1)! ^ 1])])],
    ["a skippable frame at its end", (frame) => Buffer.concat([frame, Buffer.from("502a4d180100000000", "hex")])],
  ])("%s inside a well encrypted pack is refused", async (_what, alter) => {
    const frame = execFileSync("zstd", ["-q", "-c"], { input: halfRandom(10_000) });
    const stored = execFileSync("age", ["-r", key.recipient], { input: alter(frame) });
    const part = partOf("000000.zst.age", stored, 10_000);
    await expect(readAll(read({ parts: [part], fetch: async () => streamOf(stored) }))).rejects.toMatchObject(damagedAt("000000.zst.age"));
  });

  test.each<[string, (first: Buffer, second: Buffer) => Buffer[]]>([
    ["a second frame that is cut", (first, second) => [first, second.subarray(0, -3)]],
    ["a first frame that is cut", (first, second) => [first.subarray(0, -3), second]],
    ["a second frame that is missing", (first) => [first]],
    ["a frame that comes twice", (first, second) => [first, first, second]],
    ["bytes between the frames", (first, second) => [first, Buffer.from("x"), second]],
    ["bytes behind the frames", (first, second) => [first, second, Buffer.from("x")]],
    ["the beginning of a third frame", (first, second) => [first, second, first.subarray(0, 5)]],
  ])("of two frames, %s is refused although the pack is well encrypted and hashed", async (_what, alter) => {
    const plains = [halfRandom(10_000), halfRandom(20_000)];
    const [first, second] = plains.map((frame) => execFileSync("zstd", ["-q", "-c"], { input: frame })) as [Buffer, Buffer];
    const packOf = (frames: readonly Buffer[]): Buffer => execFileSync("age", ["-r", key.recipient], { input: Buffer.concat(frames) });
    const readOne = (stored: Buffer): Promise<Buffer> => readAll(read({ parts: [partOf("000000.zst.age", stored, 30_000)], fetch: async () => streamOf(stored, 777) }));
    expect((await readOne(packOf([first, second]))).equals(Buffer.concat(plains))).toBe(true);
    await expect(readOne(packOf(alter(first, second)))).rejects.toMatchObject(damagedAt("000000.zst.age"));
  });

  test("something that is no age file is refused", async () => {
    for (const stored of [randomBytes(200), randomBytes(100_000), Buffer.from("age-encryption.org/v1\n-> X25519 abc\n")]) {
      const part = partOf("000000.zst.age", stored, 1);
      await expect(readAll(read({ parts: [part], fetch: async () => streamOf(stored) }))).rejects.toMatchObject(damagedAt("000000.zst.age"));
    }
  });

  test("with sound bytes a wrong key stays a wrong key", async () => {
    const wrong = new HoldfastError("KEY_WRONG", "none opens it");
    await expect(readAll(read({ openHeader: () => Promise.reject(wrong) }))).rejects.toBe(wrong);
  });

  test("errors of fetch, of the fetched stream and of the keyholder come through", async () => {
    const cause = new HoldfastError("OBJECT_NOT_FOUND", "gone");
    const secondFails: ReadOptions["fetch"] = (part, signal) => (part.name === "000001.zst.age" ? Promise.reject(cause) : shelf.fetch(part, signal));
    await expect(readAll(read({ fetch: secondFails }))).rejects.toBe(cause);
    await expect(readAll(read({ openHeader: () => Promise.reject(cause) }))).rejects.toBe(cause);
    const breaks: ReadOptions["fetch"] = async () => new Readable({ read() { this.destroy(new Error("reset")); } });
    await expect(readAll(read({ fetch: breaks }))).rejects.toMatchObject({ code: "STORAGE_FAILED", message: expect.stringContaining("000000.zst.age") as string });
  });

  test("an abort destroys it with the signal's reason, and lets go of what was fetched, even when the fetch hangs", async () => {
    const controller = new AbortController();
    const reason = new HoldfastError("CANCELLED", "enough");
    const fetched: Readable[] = [];
    const hanging: ReadOptions["fetch"] = async () => {
      const stream = new Readable({ read: () => undefined });
      stream.push(shelf.objects.get(parts[0]!.name)!.subarray(0, 100_000));
      fetched.push(stream);
      return stream;
    };
    const reading = readAll(read({ fetch: hanging, signal: controller.signal }));
    await expect.poll(() => fetched.length).toBe(2);
    controller.abort(reason);
    await expect(reading).rejects.toBe(reason);
    await expect.poll(() => fetched.every((stream) => stream.destroyed)).toBe(true);
    expect(fetched.length).toBe(2);
    await expect(readAll(read({ fetch: () => new Promise(() => undefined), signal: AbortSignal.timeout(30) }))).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test("what a fetch gives only after the abort is let go of at once", async () => {
    const late = new Readable({ read: () => undefined });
    const controller = new AbortController();
    const reason = new HoldfastError("CANCELLED", "enough");
    const given = Promise.withResolvers<Readable>();
    const fetch: ReadOptions["fetch"] = () => {
      queueMicrotask(() => controller.abort(reason));
      return given.promise;
    };
    await expect(readAll(read({ fetch, signal: controller.signal }))).rejects.toBe(reason);
    given.resolve(late);
    await expect.poll(() => late.destroyed).toBe(true);
  });

  test("a consumer that goes away lets go of what was fetched", async () => {
    const fetched: Readable[] = [];
    const fetch: ReadOptions["fetch"] = async (part, signal) => {
      const stream = await shelf.fetch(part, signal);
      fetched.push(stream);
      return stream;
    };
    for await (const _chunk of read({ fetch })) break;
    expect(fetched.length).toBeGreaterThan(0);
    await expect.poll(() => fetched.every((stream) => stream.destroyed)).toBe(true);
  });
});

describe("sealBytes and openBytes", () => {
  test.each([0, 1, 65_536, 4 * 1024 * 1024 + 1])("%i bytes come back", async (sizeBytes) => {
    const document = halfRandom(sizeBytes);
    const { part, chunks } = await sealBytes(document, { name: "index.zst.age", recipients: [key.recipient], compressionLevel: 3 });
    const stored = Buffer.concat(chunks);
    expect(part).toEqual({ ...partOf("index.zst.age", stored, sizeBytes), sha256: createHash("sha256").update(stored).digest("hex") });
    expect(Buffer.from(await openBytes(part, stored, key.openHeader)).equals(document)).toBe(true);
  });

  test("damage is named, and a recipient that is none", async () => {
    const options = { name: "index.zst.age", recipients: [key.recipient], compressionLevel: 3 };
    const { part, chunks } = await sealBytes(Buffer.from("hello"), options);
    const stored = Buffer.concat(chunks);
    stored[stored.byteLength - 5]! ^= 4;
    await expect(openBytes(part, stored, key.openHeader)).rejects.toMatchObject(damagedAt("index.zst.age"));
    await expect(sealBytes(Buffer.from("hello"), { ...options, recipients: ["age1x"] })).rejects.toMatchObject({ code: "RECIPIENT_INVALID" });
    await expect(sealBytes(Buffer.from("hello"), { ...options, recipients: [] })).rejects.toMatchObject({ code: "RECIPIENT_INVALID" });
  });
});
