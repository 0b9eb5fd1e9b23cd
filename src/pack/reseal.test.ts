import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { halfRandom, streamOf, testKey } from "../../test/fakes/packs.ts";
import type { StoredPart } from "../model/manifest.ts";
import { resealPart } from "./reseal.ts";
import { openBytes, sealBytes } from "./seal.ts";

const old = await testKey();
const next = await testKey();
// Three zstd frames, and a last chunk that is not full.
const plain = halfRandom(9 * 1024 * 1024 + 17);
const sealed = await sealBytes(plain, { name: "000000.zst.age", recipients: [old.recipient], compressionLevel: 1 });
const stored = Buffer.concat(sealed.chunks);
const reseal = (bytes: Buffer, part: StoredPart = sealed.part, openHeader = old.openHeader): ReturnType<typeof resealPart> => resealPart(part, { fetch: async () => streamOf(bytes, 50_001), recipients: [next.recipient], openHeader });

describe("a part that is sealed anew", () => {
  it("opens with the new key alone, to the same bytes, and is what its part says", async () => {
    const { part, chunks } = await reseal(stored);
    const bytes = Buffer.concat(chunks);
    expect(part).toMatchObject({ name: "000000.zst.age", plainBytes: plain.byteLength, sizeBytes: bytes.byteLength, sha256: createHash("sha256").update(bytes).digest("hex") });
    expect(Buffer.compare(Buffer.from(await openBytes(part, bytes, next.openHeader)), plain)).toBe(0);
    await expect(openBytes(part, bytes, old.openHeader)).rejects.toThrow();
  });

  it("has a file key of its own: who knows the old one opens nothing", async () => {
    const { part, chunks } = await reseal(stored);
    const oldFileKey = await old.openHeader("", stored.subarray(0, stored.indexOf("\n", stored.indexOf("\n--- ") + 1) + 1));
    await expect(openBytes(part, Buffer.concat(chunks), async () => oldFileKey)).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
  });

  it("is not made of a part that was altered, cut or is another's", async () => {
    const altered = Buffer.from(stored);
    altered[stored.byteLength - 100_000]! ^= 1;
    for (const bad of [altered, stored.subarray(0, -1), Buffer.concat([stored, Buffer.alloc(1)])]) await expect(reseal(bad)).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
    await expect(reseal(stored, { ...sealed.part, sha256: "0".repeat(64) })).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
    await expect(reseal(stored, sealed.part, next.openHeader)).rejects.toThrow();
  });
});
