import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { provenBody } from "../lib/proven-body.ts";
import { receivedBody } from "./received-body.ts";

const bytes = Buffer.from("stored bytes");
const sha256 = createHash("sha256").update(bytes).digest("hex");
const other = createHash("sha256").update("other bytes").digest("hex");

async function received(body: Iterable<Uint8Array>, options: { sizeBytes: number; sha256: string }): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of receivedBody("some/key", body, options)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

it("takes a body whose hash was proven here without hashing it again", async () => {
  // What gives it away: bytes that do not have the hash pass, which nothing but a lie in this process can bring about.
  await expect(received(provenBody([bytes], other), { sizeBytes: bytes.length, sha256: other })).resolves.toEqual(bytes);
});

it("hashes a body that is not proven, or proven to be something else than was promised", async () => {
  await expect(received([bytes], { sizeBytes: bytes.length, sha256: other })).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
  await expect(received(provenBody([bytes], sha256), { sizeBytes: bytes.length, sha256: other })).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
  await expect(received(provenBody([bytes], other), { sizeBytes: bytes.length, sha256 })).resolves.toEqual(bytes);
});

it("counts the bytes of a proven body all the same", async () => {
  await expect(received(provenBody([bytes], sha256), { sizeBytes: bytes.length + 1, sha256 })).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
  await expect(received(provenBody([bytes], sha256), { sizeBytes: bytes.length - 1, sha256 })).rejects.toMatchObject({ code: "OBJECT_DAMAGED" });
});
