import { Readable } from "node:stream";
import { HoldfastError } from "../lib/errors.ts";
import type { StoredPart } from "../model/manifest.ts";
import type { ReadOptions, ReadPacks } from "./contract.ts";
import { type OpenHead, openHead } from "./open-head.ts";
import { Opening } from "./opening.ts";
import { damaged } from "./stored-bytes.ts";

/**
 * The plain bytes of packs, in order; one pack is fetched and its header opened ahead, and threads hash, decrypt and
 * decompress. Each piece is a whole frame with memory of its own, which is the consumer's. The stream ends in error
 * OBJECT_DAMAGED, naming the pack and what differs, if anything is off, and only ends well after everything was checked.
 * An abort destroys it with the signal's reason; destroying it lets go of everything that was fetched.
 */
export const readPacks: ReadPacks = (options) => {
  const inner = new AbortController();
  const frames = plainBytes(options, inner.signal);
  const readable = new Readable({
    // One frame is larger than this: the next is taken only when the consumer has taken the last.
    highWaterMark: 64 * 1024,
    read() {
      frames.next().then(
        ({ done, value }) => this.push(done === true ? null : value),
        (error: unknown) => this.destroy(error as Error),
      );
    },
    destroy(error, callback) {
      options.signal.removeEventListener("abort", onAbort);
      inner.abort(error ?? new HoldfastError("CANCELLED", "The reader of the packs went away."));
      // Not waited for: a fetch that does not heed the abort must not keep the error from the consumer.
      frames.return().catch(() => undefined);
      callback(error);
    },
  });
  const onAbort = (): void => {
    readable.destroy(options.signal.reason as Error);
  };
  if (options.signal.aborted) onAbort();
  else options.signal.addEventListener("abort", onAbort, { once: true });
  return readable;
};

async function* plainBytes(options: ReadOptions, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  if (options.parts.length === 0) return;
  const opening = new Opening();
  const storedBytes = { count: 0 };
  const onAbort = (): void => opening.fail(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  // Whatever ends the feeding ends the consumer too, by way of `opening`.
  const fed = feed(options, { opening, signal, storedBytes }).catch((error: unknown) => opening.fail(error));
  let plainBytes = 0;
  let partBytes = 0;
  try {
    for (let next = await opening.next(); next !== undefined; next = await opening.next()) {
      const { part, plain } = next;
      if (plain === null) {
        if (partBytes !== part.plainBytes) throw damaged(part.name, `it holds ${partBytes} plain bytes, not ${part.plainBytes}`);
        partBytes = 0;
        continue;
      }
      partBytes += plain.byteLength;
      plainBytes += plain.byteLength;
      if (partBytes > part.plainBytes) throw damaged(part.name, `it holds more than the ${part.plainBytes} plain bytes that were written`);
      options.onProgress?.({ plainBytes, storedBytes: storedBytes.count });
      if (plain.byteLength > 0) yield plain;
    }
  } catch (error) {
    opening.fail(error);
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
    opening.fail(new HoldfastError("CANCELLED", "The reader of the packs went away."));
    await opening.stop();
    await fed;
  }
}

interface Feeding {
  readonly opening: Opening;
  readonly signal: AbortSignal;
  readonly storedBytes: { count: number };
}

interface Fetched {
  readonly part: StoredPart;
  readonly head: OpenHead;
  readonly close: () => void;
}

/** Puts part after part into the opening; the one after is fetched meanwhile. */
async function feed(options: ReadOptions, feeding: Feeding): Promise<void> {
  const { opening, signal } = feeding;
  const start = (number: number): Promise<Fetched | null> => {
    // Two parts at a time: a slow consumer holds back the fetching.
    const fetching = opening.consumed(number - 1).then(() => fetchAndOpen(options, options.parts[number], signal));
    // It is awaited in its turn; until then a rejection must not count as unhandled.
    fetching.catch(() => undefined);
    return fetching;
  };
  let ahead = start(0);
  try {
    for (let number = 0; number < options.parts.length; number += 1) {
      const current = await ahead;
      ahead = start(number + 1);
      if (current !== null) await feedPart(current, feeding);
    }
    opening.end();
  } finally {
    ahead.then((part) => part?.close(), () => undefined);
  }
}

async function feedPart({ part, head, close }: Fetched, { opening, signal, storedBytes }: Feeding): Promise<void> {
  // Also while a read hangs.
  signal.addEventListener("abort", close, { once: true });
  try {
    storedBytes.count += head.read.byteLength;
    await opening.begin(part, head);
    for await (const chunk of head.rest) {
      storedBytes.count += chunk.byteLength;
      await opening.add(chunk, head.isRestOurs);
    }
    opening.endPart();
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}

/** Null after the last part. */
async function fetchAndOpen(options: ReadOptions, part: StoredPart | undefined, signal: AbortSignal): Promise<Fetched | null> {
  signal.throwIfAborted();
  if (part === undefined) return null;
  const source = await options.fetch(part, signal);
  // An error while nobody reads yet is kept by the stream and thrown to the reader; without a listener it would be fatal.
  source.on("error", () => undefined);
  const close = (): void => {
    source.destroy();
  };
  signal.addEventListener("abort", close, { once: true });
  try {
    if (signal.aborted) close();
    return { part, head: await openHead(part, source, options.openHeader), close };
  } catch (error) {
    close();
    throw error;
  } finally {
    signal.removeEventListener("abort", close);
  }
}
