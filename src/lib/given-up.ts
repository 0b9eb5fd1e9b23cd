import type { Readable } from "node:stream";

/**
 * Calls `end` the moment the stream is destroyed, before its source is waited for. A stream made from a generator closes
 * only after the generator's pending read has settled: what stalls must be ended first, or the stream never closes.
 */
export function onGivenUp<Stream extends Readable>(stream: Stream, end: () => void): Stream {
  const destroy = stream._destroy.bind(stream);
  stream._destroy = (error, done) => {
    end();
    destroy(error, done);
  };
  return stream;
}

/** Ends the stream with the signal's own reason, so that a cancel is not taken for a fault of what is read. */
export function endsWith<Stream extends Readable>(stream: Stream, signal: AbortSignal | undefined): Stream {
  if (signal === undefined) return stream;
  const onAbort = (): void => {
    stream.destroy(signal.reason as Error);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  stream.once("close", () => signal.removeEventListener("abort", onAbort));
  if (signal.aborted) onAbort();
  return stream;
}
