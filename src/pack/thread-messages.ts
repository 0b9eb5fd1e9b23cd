import type { MessagePort } from "node:worker_threads";
import type { Frame } from "../model/backup-index.ts";

/** What the threads of the write path say to each other. Bulk bytes are shared or transferred, never copied. */

/** Main thread to compressor, at its start. */
export interface CompressorStart {
  readonly ring: readonly SharedArrayBuffer[];
  readonly level: number;
  readonly toSealer: MessagePort;
}

/** Main thread to compressor: one filled frame of the ring. */
export interface FrameOrder {
  readonly number: number;
  readonly slot: number;
  readonly plainBytes: number;
}

/** Compressor to sealer, in any order. `frame` is transferred. */
export interface CompressedFrame extends FrameOrder {
  readonly frame: Uint8Array<ArrayBuffer>;
}

/** Main thread to sealer, at its start. */
export interface SealerStart {
  readonly fromCompressors: readonly MessagePort[];
  readonly packBytes: number;
}

/** Main thread to sealer: a header made ahead, the memory of packs that are stored (transferred), or how many frames there are in all. */
export type SealerOrder =
  | { readonly kind: "header"; readonly header: Uint8Array<ArrayBuffer>; readonly fileKey: Uint8Array<ArrayBuffer> }
  | { readonly kind: "blocks"; readonly blocks: readonly ArrayBuffer[] }
  | { readonly kind: "end"; readonly frameCount: number };

/** Sealer to main thread. The buffers of a pack's chunks are transferred. */
export type SealerReport =
  /** The slot can be filled again; the pack being filled now holds `fillingBytes`. */
  | { readonly kind: "frame"; readonly slot: number; readonly fillingBytes: number }
  | {
      readonly kind: "pack";
      readonly number: number;
      readonly chunks: readonly Uint8Array<ArrayBuffer>[];
      readonly frames: readonly Frame[];
      readonly sizeBytes: number;
      readonly sha256: string;
      readonly plainBytes: number;
    }
  | { readonly kind: "ended" };
