import type { GateElsewhere } from "./gate.ts";
import { gatewayDialect } from "./gateway-dialect.ts";
import { remotePlace } from "./remote-call.ts";
import type { RemoteDialect } from "./remote-dialect.ts";
import { getRemote } from "./remote-get.ts";
import { confirmRemote, putRemote } from "./remote-put.ts";

/** Longer than a slow disk takes to sync an object. */
const SILENCE_MS = 120_000;
/** Some of what stands in between does not know `Expect: 100-continue`. */
export const LEAVE_MS = 10_000;

const ADVICE = {
  connection: "Look whether the gateway runs and can be reached; its log tells what it did.",
  certificate: "Name the certificate of the authority that signed it in the gateway's `caFile`, and the gateway by a name that stands in its certificate.",
};

export interface RemoteGateOptions {
  /** `https://backup.example:7443` */
  readonly url: string;
  /** Certificates (PEM) that are believed instead of the system's. */
  readonly ca?: string | undefined;
  readonly silenceMs?: number;
  readonly leaveMs?: number;
}

/** The gate of a `holdfast gateway`. */
export function remoteGate({ url, ca, silenceMs = SILENCE_MS, leaveMs = LEAVE_MS }: RemoteGateOptions): GateElsewhere {
  const place = remotePlace({ url, ca, name: `gateway ${url.replace(/\/$/, "")}`, advice: ADVICE, silenceMs, leaveMs });
  return gateThrough(gatewayDialect(place), { takesRequests: false, close: () => place.close() });
}

/** A gate that is somewhere else, whatever is spoken there. */
export function gateThrough(dialect: RemoteDialect, own: Pick<GateElsewhere, "takesRequests" | "close">): GateElsewhere {
  return {
    put: (grant, body, signal) => putRemote(dialect, { grant, body, signal }),
    confirm: (grant, signal) => confirmRemote(dialect, grant, signal),
    get: (grant, range, signal) => getRemote(dialect, { grant, range, signal }),
    ...own,
  };
}
