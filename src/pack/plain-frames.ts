import type { StoredPart } from "../model/manifest.ts";
import { FrameDamage, FrameSplitter } from "./frame-splitter.ts";
import { giveBack } from "../lib/give-back.ts";
import { damaged } from "./stored-bytes.ts";
import { decompressFrame } from "./zstd-frame.ts";

/** Frames that are decompressed side by side on the pool; more would only cost memory on few cores. */
const FRAMES_AHEAD = 3;

/**
 * The plain bytes of a part's payload, one buffer per zstd frame, in order. Throws OBJECT_DAMAGED for a frame that does
 * not decompress to what was written, and after the last one when the plain size is not the part's.
 */
export async function* plainFrames(part: StoredPart, payload: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const ahead: Promise<Buffer>[] = [];
  let plainBytes = 0;
  const take = async (next: Promise<Buffer>): Promise<Buffer> => {
    const plain = await next;
    plainBytes += plain.byteLength;
    if (plainBytes > part.plainBytes) throw damaged(part.name, `it holds more than the ${part.plainBytes} plain bytes that were written`);
    return plain;
  };
  try {
    for await (const frame of wholeFrames(part, payload)) {
      const next = decompress(part, frame);
      // It is awaited in its turn; until then a rejection must not count as unhandled.
      next.catch(() => undefined);
      ahead.push(next);
      if (ahead.length > FRAMES_AHEAD) yield await take(ahead.shift() ?? next);
    }
    for (let next = ahead.shift(); next !== undefined; next = ahead.shift()) yield await take(next);
  } finally {
    await Promise.allSettled(ahead);
  }
  if (plainBytes !== part.plainBytes) throw damaged(part.name, `it holds ${plainBytes} plain bytes, not ${part.plainBytes}`);
}

async function* wholeFrames(part: StoredPart, payload: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const splitter = new FrameSplitter();
  try {
    for await (const chunk of payload) yield* splitter.push(chunk);
    splitter.finish();
  } catch (error) {
    throw error instanceof FrameDamage ? damaged(part.name, error.message, error) : error;
  }
}

async function decompress(part: StoredPart, frame: Buffer): Promise<Buffer> {
  try {
    return await decompressFrame(frame, part.plainBytes);
  } catch (cause) {
    throw damaged(part.name, `a zstd frame does not decompress (${cause instanceof Error ? cause.message : String(cause)})`, cause);
  } finally {
    giveBack(frame);
  }
}
