import type { Readable } from "node:stream";
import type { OfferedGrant } from "../model/grant.ts";
import type { Body } from "./storage.ts";

/**
 * The only door between an agent and a repository: it opens for a signed grant and for exactly the object it names.
 * In this process it is a function call; otherwise whatever stands in front of the repository somewhere else. It checks
 * signature, expiry, operation, key, size and hash, and throws GRANT_INVALID otherwise.
 */
export interface ObjectGate {
  /** True when it sends to the store itself what the server has signed for it: then grants are asked for with their requests. */
  readonly takesRequests?: boolean;
  put(grant: OfferedGrant, body: Body, signal: AbortSignal): Promise<void>;
  /**
   * Takes a grant to put and tells whether its object is already stored with exactly the size and hash that the grant
   * names: how a write whose answer was lost is confirmed. A gate without it cannot confirm, and the write fails.
   */
  confirm?(grant: OfferedGrant, signal: AbortSignal): Promise<boolean>;
  get(grant: OfferedGrant, range: { start: number; end: number } | undefined, signal: AbortSignal): Promise<Readable>;
}

/** A gate that is somewhere else. It fails as a gate in this process does; what may pass is STORAGE_FAILED. */
export interface GateElsewhere extends Required<ObjectGate> {
  /** Lets go of idle connections. */
  close(): void;
}
