import { randomBytes } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { streamOf, testKey, type TestKey } from "../../test/fakes/packs.ts";
import { HoldfastError } from "../lib/errors.ts";
import { locateDamage } from "./locate-damage.ts";
import { sealBytes } from "./seal.ts";

const SEALED_CHUNK = 65_552;
let key: TestKey;
let stored: Buffer;
let payloadOffset: number;
let chunkCount: number;

beforeAll(async () => {
  key = await testKey();
  const { chunks } = await sealBytes(randomBytes(300_000), { name: "p", recipients: [key.recipient], compressionLevel: 1 });
  stored = Buffer.concat(chunks);
  payloadOffset = stored.indexOf("\n", stored.indexOf("\n--- ") + 5) + 1 + 16;
  chunkCount = Math.ceil((stored.byteLength - payloadOffset) / SEALED_CHUNK);
});

const openHeader = (name: string, header: Uint8Array): Promise<Uint8Array> =>
  key.openHeader(name, header).catch((cause: unknown) => {
    throw new HoldfastError("KEY_WRONG", "no key opens it", { cause });
  });
const locate = (bytes: Uint8Array, chunkBytes = 70_000): Promise<string | null> => locateDamage({ name: "p", sizeBytes: bytes.byteLength }, streamOf(bytes, chunkBytes), openHeader);

function flipped(...places: readonly number[]): Buffer {
  const altered = Buffer.from(stored);
  for (const place of places) altered[place]! ^= 1;
  return altered;
}

describe("the place of damage", () => {
  test("is nowhere in a sound object", async () => {
    expect(await locate(stored)).toBeNull();
  });

  test("is the chunk in which the flipped bit lies, with its stored bytes", async () => {
    for (let chunk = 0; chunk < chunkCount; chunk += 1) {
      const start = payloadOffset + chunk * SEALED_CHUNK;
      const end = Math.min(start + SEALED_CHUNK, stored.byteLength);
      for (const place of [start, Math.floor((start + end) / 2), end - 17, end - 16, end - 1]) {
        expect(await locate(flipped(place), place % 2 === 0 ? 777 : 1_000_000), `byte ${place}`).toBe(`encrypted chunk ${chunk} (stored bytes ${start} to ${end - 1}) of ${chunkCount} is altered`);
      }
    }
  });

  test("is each of several chunks", async () => {
    expect(await locate(flipped(payloadOffset, payloadOffset + 3 * SEALED_CHUNK))).toMatch(/^encrypted chunks 0 \(.*\), 3 \(.*\) of 5 are altered$/);
  });

  test("is the header in whatever field the bit flips", async () => {
    const header = stored.subarray(0, payloadOffset - 16).toString("latin1");
    const stanza = header.indexOf("-> X25519 ");
    const fields = { magic: 3, stanza, share: stanza + 12, body: header.indexOf("\n", stanza) + 3, mac: header.indexOf("\n--- ") + 8 };
    for (const [field, place] of Object.entries(fields)) expect(await locate(flipped(place)), field).toContain("age header is altered");
  });

  test("with an altered nonce is every chunk, and with a lost end the last one", async () => {
    expect(await locate(flipped(payloadOffset - 1))).toContain("every one of its 5 encrypted chunks");
    expect(await locate(stored.subarray(0, stored.byteLength - 1))).toMatch(/^encrypted chunk 4 /);
    expect(await locate(stored.subarray(0, payloadOffset + 2 * SEALED_CHUNK))).toMatch(/^encrypted chunk 1 /);
    expect(await locate(stored.subarray(0, payloadOffset - 20))).toContain("age header");
  });

  test("is not made up when the keyholder does not answer", async () => {
    const away = new HoldfastError("UNREACHABLE", "the keyholder is away");
    await expect(locateDamage({ name: "p", sizeBytes: 1 }, streamOf(stored), () => Promise.reject(away))).rejects.toBe(away);
  });
});
