import type { IncomingMessage } from "node:http";
import type { OfferedGrant } from "../model/grant.ts";
import type { CallHead, RemoteCall, RemotePlace } from "./remote-call.ts";

/** Where a grant's request goes, and how it begins. */
export interface Asked {
  readonly place: RemotePlace;
  readonly head: CallHead;
}

export interface WantedBytes {
  /** Bytes [start, end), with something between them; undefined for the whole object. */
  readonly range: { readonly start: number; readonly end: number } | undefined;
  /** What an earlier answer called the object; another object under its key is then refused. */
  readonly version: string | undefined;
}

/** The bytes that an answer holds. */
export interface GivenBytes {
  readonly sizeBytes: number;
  readonly version: string | undefined;
}

/** How a place is asked under a grant, and what its answers mean. Who sends, waits and resumes knows nothing of it. */
export interface RemoteDialect {
  put(grant: OfferedGrant): Asked;
  /** Resolves when the answer says that the object is stored; throws what else it says. */
  requireStored(grant: OfferedGrant, call: RemoteCall, response: IncomingMessage): Promise<void>;
  confirm(grant: OfferedGrant): Asked;
  /** True when the answer proves that the object is stored with exactly the grant's size and hash. */
  readConfirmed(grant: OfferedGrant, call: RemoteCall, response: IncomingMessage): Promise<boolean>;
  get(grant: OfferedGrant, wanted: WantedBytes): Asked;
  /** What the answer's body holds; throws what else it says, and STORAGE_FAILED when that is not what was asked for. */
  readGiven(grant: OfferedGrant, call: RemoteCall, answer: { readonly response: IncomingMessage; readonly range: WantedBytes["range"] }): Promise<GivenBytes>;
}
