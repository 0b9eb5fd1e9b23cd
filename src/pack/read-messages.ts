import type { ErrorRecord } from "../lib/errors.ts";
import type { StoredPart } from "../model/manifest.ts";

/** What the threads of the read path say to each other. Bulk bytes are transferred, never copied. */

/** Main thread to opener, part after part: `part`, then `bytes` until they are all, then `end`. */
export type OpenerOrder =
  | { readonly kind: "part"; readonly part: StoredPart; readonly fileKey: Uint8Array; readonly nonce: Uint8Array; /** Stored bytes before the payload. */ readonly head: Uint8Array }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "end" };

/** Opener to main thread, in the order of the stored bytes. */
export type OpenerReport =
  /** One whole zstd frame, still compressed. `frame` is transferred. */
  | { readonly kind: "frame"; readonly frame: Uint8Array<ArrayBuffer> }
  /** So many stored bytes are done with. */
  | { readonly kind: "taken"; readonly sizeBytes: number }
  /** Everything of the part was there and is what was stored. */
  | { readonly kind: "end" }
  | { readonly kind: "failed"; readonly error: ErrorRecord };

/** Main thread to decompressor. `frame` is transferred. */
export interface DecompressOrder {
  readonly number: number;
  readonly frame: Uint8Array<ArrayBuffer>;
  readonly plainBytesAtMost: number;
}

/** Decompressor to main thread. `plain` is transferred. */
export type DecompressReport = { readonly number: number; readonly plain: Uint8Array<ArrayBuffer> } | { readonly number: number; readonly fault: string };
