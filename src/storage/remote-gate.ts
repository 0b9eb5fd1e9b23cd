import type { ObjectGate } from "./gate.ts";
import { type RemoteOptions, remotePlace } from "./remote-call.ts";
import { getRemote } from "./remote-get.ts";
import { confirmRemote, putRemote } from "./remote-put.ts";

/** Longer than a slow disk takes to sync an object. */
const SILENCE_MS = 120_000;
const LEAVE_MS = 10_000;

/** The gate of a gateway that is somewhere else. It fails as a gate in this process does; what may pass is STORAGE_FAILED. */
export interface RemoteGate extends Required<ObjectGate> {
  /** Lets go of idle connections. */
  close(): void;
}

export function remoteGate(options: Pick<RemoteOptions, "url" | "ca"> & Partial<RemoteOptions>): RemoteGate {
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
