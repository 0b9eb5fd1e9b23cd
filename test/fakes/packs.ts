import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { Decrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import type { StoredPart } from "../../src/model/manifest.ts";
import type { OpenHeader, ReadOptions, WriteOptions } from "../../src/pack/contract.ts";

/** A pair of keys and a way to open headers with it. */
export interface TestKey {
  readonly identity: string;
  readonly recipient: string;
  readonly openHeader: OpenHeader;
}

export async function testKey(): Promise<TestKey> {
  const identity = await generateX25519Identity();
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  return { identity, recipient: await identityToRecipient(identity), openHeader: (_name, header) => decrypter.decryptHeader(header) };
}

/** Keeps what is stored, by name; copies, because the writer takes its buffers back. */
export class PackShelf {
  readonly objects = new Map<string, Buffer>();

  readonly store: WriteOptions["store"] = async (pack) => {
    this.objects.set(pack.name, Buffer.concat(pack.chunks));
  };

  readonly fetch: ReadOptions["fetch"] = async (part) => {
    const bytes = this.objects.get(part.name);
    if (bytes === undefined) throw new Error(`no ${part.name}`);
    return streamOf(bytes, 50_000);
  };
}

/** `bytes` in chunks of the given size, as a pipe would give them. */
export function streamOf(bytes: Uint8Array, chunkBytes = 65_536): Readable {
  return Readable.from(
    (function* () {
      for (let offset = 0; offset < bytes.byteLength; offset += chunkBytes) yield bytes.subarray(offset, offset + chunkBytes);
    })(),
    { objectMode: false },
  );
}

/** Half random, half repeated text: like a database, it compresses to about a half. */
export function halfRandom(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes, "the quick brown fox jumps over the lazy dog; ");
  for (let offset = 0; offset < sizeBytes; offset += 8_192) randomBytes(Math.min(4_096, sizeBytes - offset)).copy(bytes, offset);
  return bytes;
}

export function partOf(name: string, stored: Uint8Array, plainBytes: number): StoredPart {
  return { name, sizeBytes: stored.byteLength, sha256: createHash("sha256").update(stored).digest("hex"), plainBytes };
}

export async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
