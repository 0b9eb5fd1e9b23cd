import { Readable } from "node:stream";
import type { Clock } from "../lib/clock.ts";
import { onGivenUp } from "../lib/given-up.ts";
import { Pace } from "../lib/pace.ts";
import type { ObjectGate } from "./gate.ts";
import type { RepositoryLimits } from "./limits.ts";
import { pacedBody } from "./paced-body.ts";
import { passThrough } from "./pass-through.ts";
import type { Body, Storage } from "./storage.ts";

type Bandwidth = Pick<RepositoryLimits, "uploadBytesPerS" | "downloadBytesPerS">;

/** A storage whose bodies share the bandwidth that they may have. */
export function throttledStorage(storage: Storage, limits: Bandwidth, clock: Pick<Clock, "monotonicMs">): Storage {
  const { up, down } = bandwidth(limits, clock);
  return passThrough(storage, {
    put: (key, body, options) => storage.put(key, up(body, options.signal), options),
    get: async (key, options) => down(await storage.get(key, options), options?.signal),
  });
}

/** The same for the objects that go through a gate. */
export function throttledGate(gate: ObjectGate, limits: Bandwidth, clock: Pick<Clock, "monotonicMs">): ObjectGate {
  const { up, down } = bandwidth(limits, clock);
  return {
    ...gate,
    put: (grant, body, signal) => gate.put(grant, up(body, signal), signal),
    get: async (grant, range, signal) => down(await gate.get(grant, range, signal), signal),
  };
}

interface Throttle {
  readonly up: (body: Body, signal: AbortSignal | undefined) => Body;
  readonly down: (stream: Readable, signal: AbortSignal | undefined) => Readable;
}

/** Without a limit a body passes as it is: not a byte is looked at. */
function bandwidth({ uploadBytesPerS, downloadBytesPerS }: Bandwidth, clock: Pick<Clock, "monotonicMs">): Throttle {
  const upload = uploadBytesPerS === undefined ? undefined : new Pace(uploadBytesPerS, clock);
  const download = downloadBytesPerS === undefined ? undefined : new Pace(downloadBytesPerS, clock);
  return {
    up: (body, signal) => (upload === undefined ? body : pacedBody(body, upload, signal)),
    down: (stream, signal) => (download === undefined ? stream : pacedStream(stream, download, signal)),
  };
}

function pacedStream(stream: Readable, pace: Pace, signal: AbortSignal | undefined): Readable {
  const paced = Readable.from(pace.paced(stream as AsyncIterable<Uint8Array>, signal), { objectMode: false });
  return onGivenUp(paced, () => void stream.destroy());
}
