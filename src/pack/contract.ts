import type { Readable } from "node:stream";
import type { Frame } from "../model/backup-index.ts";
import type { StoredPart } from "../model/manifest.ts";

/**
 * A finished pack in memory, ready to be stored. `release` gives its buffers back; `writePacks` calls it when `store` has
 * settled, and a `store` that is done with the chunks earlier may call it itself. Once `letGo` was called, `release` does
 * nothing: somebody still reads the chunks, and the buffers go when nobody holds them any more.
 */
export interface SealedPack extends StoredPart {
  readonly number: number;
  readonly chunks: readonly Uint8Array[];
  readonly frames: readonly Frame[];
  release(): void;
  letGo(): void;
}

export interface WriteOptions {
  readonly recipients: readonly string[];
  readonly compressionLevel: number;
  /** A pack is cut at the end of the frame that makes its ciphertext reach this size. Default 24 MiB. */
  readonly packBytes?: number;
  /** Plain bytes of a frame. Default 4 MiB. */
  readonly frameBytes?: number;
  /** Budget for frames being filled and packs sealed or under way. Default 128 MiB. */
  readonly bufferBytes?: number;
  /** Stores one pack; up to `storesAtOnce` run side by side. The caller retries inside. */
  readonly store: (pack: SealedPack, signal: AbortSignal) => Promise<void>;
  /** Default 2. */
  readonly storesAtOnce?: number;
  /** Told `true` when the source begins to wait for the budget, and `false` when it goes on: what it waits for is a `store` that settles. */
  readonly onMemoryShort?: (isShort: boolean) => void;
  readonly onProgress?: (progress: { plainBytes: number; storedBytes: number }) => void;
  readonly signal: AbortSignal;
}

export interface WrittenPacks {
  readonly packs: readonly { part: StoredPart; frames: readonly Frame[] }[];
  readonly plainBytes: number;
}

/** Cuts, compresses, encrypts, hashes and stores a stream. When it resolves, every pack is stored. */
export type WritePacks = (source: Readable, options: WriteOptions) => Promise<WrittenPacks>;

/** Opens one pack's age header: gives the file key. Called once per pack, a few packs ahead. */
export type OpenHeader = (name: string, header: Uint8Array) => Promise<Uint8Array>;

export interface ReadOptions {
  readonly parts: readonly StoredPart[];
  readonly fetch: (part: StoredPart, signal: AbortSignal) => Promise<Readable>;
  readonly openHeader: OpenHeader;
  readonly onProgress?: (progress: { plainBytes: number; storedBytes: number }) => void;
  readonly signal: AbortSignal;
}

/**
 * The plain bytes of packs, in order. Every stored byte is hashed and compared with the part's SHA-256, every age tag
 * and zstd checksum is checked, plain sizes must match, nothing may trail: OBJECT_DAMAGED names the pack otherwise.
 */
export type ReadPacks = (options: ReadOptions) => Readable;

/** Seals a small document or log piece as one pack in memory. */
export type SealBytes = (
  plain: Uint8Array,
  options: { name: string; recipients: readonly string[]; compressionLevel: number },
) => Promise<{ part: StoredPart; chunks: readonly Uint8Array[] }>;
