import { Readable } from "node:stream";
import type { GateElsewhere } from "../gate.ts";
import { checkRange, holdsBytes } from "../keys.ts";
import { remotePlace, type RemotePlace } from "../remote-call.ts";
import { gateThrough, LEAVE_MS } from "../remote-gate.ts";
import { presignedDialect } from "./presigned-dialect.ts";

export interface PresignedGateOptions {
  /** Certificates (PEM) that are believed instead of the system's. */
  readonly ca?: string | undefined;
  readonly silenceMs: number;
  /** Whether requests may go to another machine without TLS. */
  readonly plainHttp: boolean;
}

const ADVICE = {
  connection: "Look whether the store runs and can be reached from this machine under the repository's `endpoint`, as the server's configuration names it.",
  certificate: "Name the certificate of the authority that signed it in the way's `caFile`.",
};

/** The gate of a store that takes what the server has signed. It holds no credentials: each grant brings its request. */
export function presignedGate({ ca, silenceMs, plainHttp }: PresignedGateOptions): GateElsewhere {
  const places = new Map<string, RemotePlace>();
  const placeOf = (origin: string): RemotePlace => {
    const place = places.get(origin) ?? remotePlace({ url: origin, ca, name: `store ${origin}`, advice: ADVICE, silenceMs, leaveMs: LEAVE_MS });
    places.set(origin, place);
    return place;
  };
  const close = (): void => {
    for (const place of places.values()) place.close();
  };
  const gate = gateThrough(presignedDialect({ plainHttp, placeOf }), { takesRequests: true, close });
  return {
    ...gate,
    get: async (grant, range, signal) => {
      if (range === undefined || holdsBytes(range)) return gate.get(grant, range, signal);
      // Nothing is asked for, or nonsense, and stores have no word for either: the object must be there all the same.
      const whole = await gate.get(grant, undefined, signal);
      whole.destroy();
      checkRange(grant.body.key, range, grant.body.sizeBytes);
      return Readable.from([], { objectMode: false });
    },
  };
}
