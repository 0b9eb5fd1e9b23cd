import { describe, expect, it } from "vitest";
import { idFactory } from "../lib/ids.ts";
import { generateSigningKey, signerFrom } from "../lib/signing.ts";
import { memoryStorage } from "../storage/memory.ts";
import { sha256 } from "./control.fixture.ts";
import { openRepository } from "./open-repository.ts";

const maker = () => ({ signer: signerFrom(generateSigningKey()), newId: idFactory(), clock: { nowMs: () => 0, monotonicMs: () => 0 } });

describe("a repository", () => {
  it("gets its mark once and keeps it", async () => {
    const storage = memoryStorage.open({});
    const ports = maker();
    const [first, second] = await Promise.all([openRepository(ports, storage), openRepository(ports, storage)]);
    expect(second).toEqual(first);
    expect(await openRepository(ports, storage)).toEqual(first);
    expect(first).toMatchObject({ formatVersion: 1, signingKeyFingerprint: ports.signer.fingerprint, createdAt: "1970-01-01T00:00:00.000Z" });
  });

  it("of another installation is refused, with both signing keys named", async () => {
    const storage = memoryStorage.open({});
    const [own, other] = [maker(), maker()];
    await openRepository(other, storage);
    const refusal: unknown = await openRepository(own, storage).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "REPOSITORY_FOREIGN" });
    expect((refusal as Error).message).toContain(own.signer.fingerprint);
    expect((refusal as Error).message).toContain(other.signer.fingerprint);
  });

  it.each(["", "{}", "no mark"])("whose holdfast.json holds '%s' is refused", async (text) => {
    const storage = memoryStorage.open({});
    await storage.put("holdfast.json", [Buffer.from(text)], { sizeBytes: Buffer.byteLength(text), sha256: sha256(text) });
    await expect(openRepository(maker(), storage)).rejects.toMatchObject({ code: "FORMAT_INVALID" });
  });
});
