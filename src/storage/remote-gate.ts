import type { GateElsewhere } from "./gate.ts";
import { type RemoteOptions, remotePlace } from "./remote-call.ts";
import { getRemote } from "./remote-get.ts";
import { confirmRemote, putRemote } from "./remote-put.ts";

/** Longer than a slow disk takes to sync an object. */
const SILENCE_MS = 120_000;
const LEAVE_MS = 10_000;

/** The gate of a `holdfast gateway`. */
export function remoteGate(options: Pick<RemoteOptions, "url" | "ca"> & Partial<RemoteOptions>): GateElsewhere {
  const place = remotePlace({ silenceMs: SILENCE_MS, leaveMs: LEAVE_MS, ...options });
  return {
    put: (grant, body, signal) => putRemote(place, { grant, body, signal }),
    confirm: (grant, signal) => confirmRemote(place, grant, signal),
    get: (grant, range, signal) => getRemote(place, { grant, range, signal }),
    close: () => {
      place.close();
    },
  };
}
