import type { ErrorRecord } from "../../lib/errors.ts";
import type { RunAs } from "../../lib/process.ts";

/** Main thread to unpacker, at its start. */
export interface UnpackerStart {
  readonly dir: string;
  readonly owner: RunAs | undefined;
}

/** Main thread to unpacker: the stream piece by piece, then its end. The memory of `bytes` is transferred. */
export type UnpackerOrder = { readonly kind: "bytes"; readonly bytes: Uint8Array<ArrayBuffer> } | { readonly kind: "end" };

/** Unpacker to main thread. */
export type UnpackerReport =
  /** So many bytes are written and their memory is given back. */
  | { readonly kind: "written"; readonly sizeBytes: number }
  /** The stream was whole, and everything is written, closed and given to its owner. */
  | { readonly kind: "finished" }
  | { readonly kind: "failed"; readonly error: ErrorRecord };
