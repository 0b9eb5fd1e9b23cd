import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readlinkSync } from "node:fs";
import { type FileHandle, mkdtemp, open, readFile, rm, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PIECE_BYTES } from "./page-memory.ts";
import { openPastCache } from "./past-cache.ts";
import { readPastCache } from "./read-past-cache.ts";
import { writePastCache } from "./write-past-cache.ts";

const MIB = 1024 * 1024;
/** Of tmpfs, where the page cache is the storage (statfs(2)). */
const TMPFS = 0x01021994;
const bytes = randomBytes(5 * MIB + 4_321);
const whole = { start: 0, end: bytes.byteLength };
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "hf-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function* inPieces(content: Uint8Array, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < content.byteLength; offset += sizeBytes) yield content.subarray(offset, offset + sizeBytes);
}

async function write(name: string, content: Uint8Array, { pieceBytes = 333_333, openDirect = openPastCache } = {}): Promise<string> {
  const path = join(dir, name);
  await using file = await open(path, "wx");
  await writePastCache(file, content.byteLength, inPieces(content, pieceBytes), openDirect);
  return path;
}

async function read(path: string, { start, end }: { start: number; end: number }, openDirect = openPastCache): Promise<Buffer> {
  return Buffer.concat(await (await readPastCache(await open(path), { start, end }, openDirect)).toArray());
}

const sha256 = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");

describe("a file past the page cache", () => {
  it.each([1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, bytes.byteLength])("has the %i bytes that were written, from wherever it is read", async (sizeBytes) => {
    const content = bytes.subarray(0, sizeBytes);
    for (const pieceBytes of [65_536, 333_333, sizeBytes]) {
      const path = await write(String(pieceBytes), content, { pieceBytes });
      expect(sha256(await readFile(path))).toBe(sha256(content));
      for (const start of [0, Math.floor(sizeBytes / 3)]) {
        for (const end of [sizeBytes, sizeBytes - Math.floor(sizeBytes / 7)]) expect(sha256(await read(path, { start, end }))).toBe(sha256(content.subarray(start, end)));
      }
    }
  });

  it("leaves hardly any of its bytes in the cache, written or read", async (context) => {
    if ((await statfs(dir)).type === TMPFS) context.skip("temporary files lie in memory here");
    const path = await write("large", bytes);
    const cachedBytes = (): number => Number(spawnSync("fincore", ["--bytes", "--noheadings", "--output", "RES", path], { encoding: "utf8" }).stdout.trim());
    expect(cachedBytes()).toBeLessThan(MIB);
    expect(await read(path, whole)).toHaveLength(bytes.byteLength);
    expect(cachedBytes()).toBeLessThan(MIB);
    await readFile(path);
    expect(cachedBytes()).toBeGreaterThanOrEqual(bytes.byteLength);
  });

  it("is written and read as ever where more are under way than there is memory for, and gives the memory back", async () => {
    for (let round = 0; round < 2; round += 1) {
      const paths = await Promise.all(Array.from({ length: 12 }, (_, number) => write(`${String(round)}-${String(number)}`, bytes)));
      const contents = await Promise.all(paths.map((path) => read(path, whole)));
      for (const content of contents) expect(sha256(content)).toBe(sha256(bytes));
    }
    let opened = 0;
    const openDirect: typeof openPastCache = (file, access) => {
      opened += 1;
      return openPastCache(file, access);
    };
    await write("last", bytes, { openDirect });
    expect(opened).toBe(1);
  });

  it("is let go by a reader that stops early", async () => {
    const path = await write("large", bytes);
    for (let round = 0; round < 20; round += 1) {
      const stream = await readPastCache(await open(path), whole);
      for await (const chunk of stream) {
        expect(chunk).toHaveLength(PIECE_BYTES);
        break;
      }
      if (!stream.closed) await new Promise((resolve) => stream.once("close", resolve));
    }
    expect(openFiles(path)).toBe(0);
  });

  it.each(["cannot be opened so", "refuses what it is given so"])("goes through the cache where it %s", async (why) => {
    const unfit = { write: refuse, read: refuse, close: () => Promise.resolve() } as unknown as FileHandle;
    const openDirect = (): Promise<FileHandle | null> => Promise.resolve(why === "cannot be opened so" ? null : unfit);
    const path = await write("large", bytes, { openDirect });
    expect(sha256(await readFile(path))).toBe(sha256(bytes));
    expect(sha256(await read(path, { start: 100_000, end: 5_000_000 }, openDirect))).toBe(sha256(bytes.subarray(100_000, 5_000_000)));
  });

  it("fails with what the disk says", async () => {
    const failing = { write: () => Promise.reject(Object.assign(new Error("no space"), { code: "ENOSPC" })), close: () => Promise.resolve() } as unknown as FileHandle;
    await expect(write("large", bytes, { openDirect: () => Promise.resolve(failing) })).rejects.toThrow("no space");
  });
});

function refuse(): Promise<never> {
  return Promise.reject(Object.assign(new Error("unfit"), { code: "EINVAL" }));
}

function openFiles(path: string): number {
  return readdirSync("/proc/self/fd").filter((name) => targetOf(name) === path).length;
}

function targetOf(name: string): string | null {
  try {
    return readlinkSync(join("/proc/self/fd", name));
  } catch {
    // The one that the list itself was read with.
    return null;
  }
}
