import { createHash } from "node:crypto";
import { HoldfastError } from "../lib/errors.ts";
import { provenSha256 } from "../lib/proven-body.ts";
import type { Body, PutOptions } from "./storage.ts";

/**
 * The chunks of a body as they come. Throws OBJECT_DAMAGED as soon as there are more bytes than promised, and after the
 * last one when size or SHA-256 differ; the signal's reason at once on abort, even while the body stalls; and whatever
 * the body itself throws.
 */
export async function* receivedBody(
  key: string,
  body: Body,
  { sizeBytes, sha256, signal }: PutOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = provenSha256(body) === sha256 ? null : createHash("sha256");
  let receivedBytes = 0;
  for await (const chunk of untilAborted(body, signal)) {
    receivedBytes += chunk.byteLength;
    if (receivedBytes > sizeBytes) throw new HoldfastError("OBJECT_DAMAGED", `More than the promised ${sizeBytes} bytes came for ${key}.`);
    hash?.update(chunk);
    yield chunk;
  }
  if (receivedBytes !== sizeBytes) throw new HoldfastError("OBJECT_DAMAGED", `${receivedBytes} bytes came for ${key}, not the promised ${sizeBytes}.`);
  const received = hash === null ? sha256 : hash.digest("hex");
  if (received !== sha256) throw new HoldfastError("OBJECT_DAMAGED", `What came for ${key} has the SHA-256 ${received}, not the promised ${sha256}.`);
}

/**
 * Keeps each chunk until the next one is there, so that the last one leaves only after size and hash of the whole were
 * found right: a request with a wrong or failed body is never complete, whether the other side checks hashes or not.
 */
export async function* lastOnceChecked(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array | undefined;
  for await (const chunk of chunks) {
    if (chunk.byteLength === 0) continue;
    if (held !== undefined) yield held;
    held = chunk;
  }
  if (held !== undefined) yield held;
}

async function* untilAborted<T>(items: Iterable<T> | AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void, undefined> {
  signal?.throwIfAborted();
  if (signal === undefined) {
    yield* items;
    return;
  }
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let isDone = false;
  try {
    for (;;) {
      const next = await beforeAbort(iterator.next(), signal);
      isDone = next.done === true;
      if (next.done === true) return;
      yield next.value;
      signal.throwIfAborted();
    }
  } finally {
    // Not waited for: a body that stalls would hold up the abort.
    if (!isDone) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

/** A race with one promise of the abort for all chunks would keep every chunk until the end. */
function beforeAbort<T>(value: T | Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    void Promise.resolve(value)
      .then(resolve, reject)
      .finally(() => {
        signal.removeEventListener("abort", onAbort);
      });
  });
}
