import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { memoryStorage } from "../storage/memory.ts";
import { storedHeaderSha256 } from "./stored-header.ts";

const HEADER = "age-encryption.org/v1\n-> X25519 abc\ndef\n--- mac\n";
const hash = (text: string): string => createHash("sha256").update(text).digest("hex");

async function headerOf(body: string, sizeBytes = body.length): Promise<string | undefined> {
  const storage = memoryStorage.open({});
  await storage.put("k", [Buffer.from(body)], { sizeBytes: body.length, sha256: hash(body) });
  return storedHeaderSha256(storage, { key: "k", sizeBytes });
}

describe("the hash of a stored header", () => {
  test("covers the header alone, however long the object is", async () => {
    expect(await headerOf(`${HEADER}${"x".repeat(100_000)}`)).toBe(hash(HEADER));
    expect(await headerOf(HEADER)).toBe(hash(HEADER));
  });

  test("of many recipients is read to its end", async () => {
    const long = HEADER.replace("def", "def\n-> X25519 abc\nghi".repeat(1_000));
    expect(long.length).toBeGreaterThan(2048);
    expect(await headerOf(`${long}payload`)).toBe(hash(long));
  });

  test("is that of what is left of an object that was cut", async () => {
    expect(await headerOf(`${HEADER}rest`, 1_000_000)).toBe(hash(HEADER));
  });

  test.each([["", 0], ["", 500], ["no header at all", 16], ["x".repeat(100_000), 100_000]])("is unknown without a header (%#)", async (body, sizeBytes) => {
    expect(await headerOf(body, sizeBytes)).toBeUndefined();
  });

  test("is unknown without an object", async () => {
    expect(await storedHeaderSha256(memoryStorage.open({}), { key: "k", sizeBytes: 10 })).toBeUndefined();
  });
});
