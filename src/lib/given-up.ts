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
