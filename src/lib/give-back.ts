import type { Readable } from "node:stream";

/** Bytes at the end of a buffer that a view may leave unused and still count as all of it: what a decompressor needs to see that it is done. */
export const SLACK_BYTES = 64;

const LARGE_BYTES = 64 * 1024;

/**
 * Gives a buffer's memory back at once, if the view is all of it; shared or pooled memory, and what is given back already,
 * is left alone. Hundreds of megabytes left to the garbage collector cost memory, and a tenth of the time for its rounds.
 */
export function giveBack(view: Uint8Array): void {
  if (isAllOfItsBuffer(view)) view.buffer.transfer(0);
}

/** True when the view is all of its buffer, so that the buffer can be given back or handed to another thread with it. */
export function isAllOfItsBuffer(view: Uint8Array): view is Uint8Array<ArrayBuffer> {
  const { buffer } = view;
  if (!(buffer instanceof ArrayBuffer) || buffer.detached || view.byteOffset !== 0) return false;
  // The pool of small buffers is 8 KiB: a view that fills nearly all of it is none of ours.
  const slackBytes = buffer.byteLength > LARGE_BYTES ? SLACK_BYTES : 0;
  return buffer.byteLength - view.byteLength <= slackBytes;
}

const handingOver = new WeakSet<Readable>();

/** Says of a stream that nobody but its reader has its chunks, so that the reader may give them back. */
export function handOverChunks<Stream extends Readable>(stream: Stream): Stream {
  handingOver.add(stream);
  return stream;
}

export function handsOverChunks(stream: Readable): boolean {
  return handingOver.has(stream);
}
