import { Readable } from "node:stream";
import { z } from "zod";
import { HoldfastError } from "../lib/errors.ts";
import { checkKey, checkRange, compareKeys } from "./keys.ts";
import { receivedBody } from "./received-body.ts";
import { type Body, defineStorage, type GetOptions, type PutOptions, type Storage, type StoredObject } from "./storage.ts";

/** A repository that is gone with the process: for tests only, so it does not stand in the list of drivers. */
export const memoryStorage = defineStorage({
  kind: "memory",
  title: "Memory of this process (for tests)",
  options: z.strictObject({}),
  open: (): Storage => new MemoryStorage(),
});

class MemoryStorage implements Storage {
  readonly #objects = new Map<string, Buffer>();

  async put(key: string, body: Body, options: PutOptions): Promise<StoredObject> {
    checkKey(key);
    options.signal?.throwIfAborted();
    this.#refuseTaken(key);
    const chunks: Uint8Array[] = [];
    // Copied: the giver may use its buffers again.
    for await (const chunk of receivedBody(key, body, options)) chunks.push(chunk.slice());
    options.signal?.throwIfAborted();
    this.#refuseTaken(key);
    this.#objects.set(key, Buffer.concat(chunks));
    return { key, sizeBytes: options.sizeBytes };
  }

  async get(key: string, { range, signal }: GetOptions = {}): Promise<Readable> {
    checkKey(key);
    signal?.throwIfAborted();
    const bytes = this.#objects.get(key);
    if (bytes === undefined) throw new HoldfastError("OBJECT_NOT_FOUND", `There is no object ${key} in memory.`);
    if (range !== undefined) checkRange(key, range, bytes.byteLength);
    const stream = Readable.from(pieces(bytes.subarray(range?.start ?? 0, range?.end ?? bytes.byteLength)), { objectMode: false });
    const onAbort = (): void => {
      stream.destroy(signal?.reason as Error);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    stream.once("close", () => signal?.removeEventListener("abort", onAbort));
    return stream;
  }

  async stat(key: string): Promise<StoredObject | null> {
    checkKey(key);
    const bytes = this.#objects.get(key);
    return bytes === undefined ? null : { key, sizeBytes: bytes.byteLength };
  }

  async *list(prefix: string): AsyncGenerator<StoredObject, void, undefined> {
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix)).sort(compareKeys);
    for (const key of keys) {
      const bytes = this.#objects.get(key);
      if (bytes !== undefined) yield { key, sizeBytes: bytes.byteLength };
    }
  }

  async delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) checkKey(key);
    for (const key of keys) this.#objects.delete(key);
  }

  async leftovers(): Promise<string[]> {
    return [];
  }

  describe(): string {
    return "memory of this process";
  }

  #refuseTaken(key: string): void {
    if (this.#objects.has(key)) throw new HoldfastError("OBJECT_EXISTS", `The object ${key} exists already and was left as it is.`);
  }
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let offset = 0; offset < bytes.byteLength; offset += 65_536) yield Buffer.from(bytes.subarray(offset, offset + 65_536));
}
