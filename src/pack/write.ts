import type { Readable } from "node:stream";
import { HoldfastError } from "../lib/errors.ts";
import { packName, type StoredPart } from "../model/manifest.ts";
import type { Frame } from "../model/backup-index.ts";
import { makeHeader } from "./age-header.ts";
import type { SealedPack, WriteOptions, WritePacks, WrittenPacks } from "./contract.ts";
import { FrameRing } from "./frame-ring.ts";
import { giveBack, handsOverChunks } from "../lib/give-back.ts";
import type { SealerReport } from "./thread-messages.ts";
import { Uploads } from "./uploads.ts";
import { WriteThreads } from "./write-threads.ts";

const MIB = 1024 * 1024;
/** What packs have unless told. */
export const PACK_BYTES = 24 * MIB;
const DEFAULTS = { packBytes: PACK_BYTES, frameBytes: 4 * MIB, bufferBytes: 128 * MIB, storesAtOnce: 2 };
/** Headers that are ready before their pack begins: making one takes milliseconds of curve arithmetic per recipient. */
const HEADERS_AHEAD = 2;

/**
 * Cuts, compresses, encrypts, hashes and stores a stream; resolves when every pack is stored. The buffers of a pack are
 * given back as soon as `store` settles, so `store` must be done with them by then. Whatever goes wrong first (the
 * source, `signal`, `store`, a thread) ends everything: the source is destroyed, the threads are gone, the stores that
 * ran have ended, and the promise rejects with that first cause. Throws STREAM_DAMAGED for a source without a byte and
 * RECIPIENT_INVALID.
 */
export const writePacks: WritePacks = async (source, options) => {
  const writing = new Writing(source, options);
  return writing.run();
};

class Writing {
  readonly #source: Readable;
  readonly #options: WriteOptions;
  readonly #frameBytes: number;
  readonly #ring: FrameRing;
  readonly #threads: WriteThreads;
  readonly #uploads: Uploads;
  readonly #aborted = new AbortController();
  readonly #failure = Promise.withResolvers<never>();
  readonly #ended = Promise.withResolvers<undefined>();
  readonly #packs: { part: StoredPart; frames: readonly Frame[] }[] = [];
  /** The slot being filled; null between frames. */
  #slot: { readonly number: number; readonly view: Uint8Array; filledBytes: number } | null = null;
  #frameCount = 0;
  #plainBytes = 0;
  #storedBytes = 0;

  constructor(source: Readable, options: WriteOptions) {
    this.#source = source;
    this.#options = options;
    this.#frameBytes = options.frameBytes ?? DEFAULTS.frameBytes;
    this.#ring = new FrameRing(this.#frameBytes, options.bufferBytes ?? DEFAULTS.bufferBytes, options.onMemoryShort);
    this.#uploads = new Uploads({
      store: options.store,
      signal: this.#aborted.signal,
      onStored: (pack) => this.#stored(pack),
      onReleased: (pack) => this.#ring.packReleased(pack.sizeBytes),
      onFailure: (cause) => this.#fail(cause),
      sideBySide: options.storesAtOnce ?? DEFAULTS.storesAtOnce,
    });
    this.#threads = new WriteThreads({
      ring: this.#ring.memory,
      level: options.compressionLevel,
      packBytes: options.packBytes ?? DEFAULTS.packBytes,
      onReport: (report) => this.#take(report),
      onFailure: (error) => this.#fail(error),
    });
  }

  async run(): Promise<WrittenPacks> {
    const { signal } = this.#options;
    const onAbort = (): void => this.#fail(signal.reason);
    // The rejection is always looked at, in the race below; this only says so before that.
    this.#failure.promise.catch(() => undefined);
    // Listens to the end: an error after the last byte (the tool's exit code, say) must not be lost.
    this.#source.on("error", (error) => this.#fail(error));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([this.#failure.promise, this.#work()]);
      if (this.#source.errored !== null) throw this.#source.errored;
      return { packs: this.#packs, plainBytes: this.#plainBytes };
    } catch (cause) {
      this.#fail(cause);
      this.#source.destroy(cause instanceof Error ? cause : undefined);
      throw cause;
    } finally {
      signal.removeEventListener("abort", onAbort);
      await this.#threads.stop();
      await this.#uploads.abandon();
    }
  }

  async #work(): Promise<void> {
    this.#options.signal.throwIfAborted();
    for (let made = 0; made < HEADERS_AHEAD; made += 1) await this.#makeHeader();
    const isOurs = handsOverChunks(this.#source);
    for await (const chunk of this.#source) {
      const bytes = bytesOf(chunk);
      await this.#append(bytes);
      if (isOurs) giveBack(bytes);
    }
    this.#submitFrame();
    if (this.#plainBytes === 0) throw new HoldfastError("STREAM_DAMAGED", "The stream ended without a single byte: the tool wrote nothing.");
    this.#threads.end(this.#frameCount);
    await this.#ended.promise;
    await this.#uploads.idle();
  }

  async #append(chunk: Uint8Array): Promise<void> {
    let offset = 0;
    while (offset < chunk.byteLength) {
      this.#slot ??= await this.#takeSlot();
      const piece = chunk.subarray(offset, offset + this.#frameBytes - this.#slot.filledBytes);
      this.#slot.view.set(piece, this.#slot.filledBytes);
      this.#slot.filledBytes += piece.byteLength;
      offset += piece.byteLength;
      if (this.#slot.filledBytes === this.#frameBytes) this.#submitFrame();
    }
  }

  async #takeSlot(): Promise<{ number: number; view: Uint8Array; filledBytes: number }> {
    const slot = await this.#ring.take();
    const memory = this.#ring.memory[slot];
    if (memory === undefined) throw new HoldfastError("INTERNAL", `The frame ring has no slot ${slot}.`);
    return { number: slot, view: new Uint8Array(memory), filledBytes: 0 };
  }

  #submitFrame(): void {
    if (this.#slot === null) return;
    const { number: slot, filledBytes } = this.#slot;
    this.#slot = null;
    this.#threads.compress({ number: this.#frameCount, slot, plainBytes: filledBytes });
    this.#frameCount += 1;
    this.#plainBytes += filledBytes;
    this.#reportProgress();
  }

  #take(report: SealerReport): void {
    if (report.kind === "frame") this.#ring.freed(report.slot, report.fillingBytes);
    else if (report.kind === "ended") this.#ended.resolve(undefined);
    else {
      this.#ring.packFinished(report.sizeBytes);
      this.#uploads.add(sealedPack(report, (blocks) => this.#threads.giveBack(blocks)));
      this.#makeHeader().catch((cause: unknown) => this.#fail(cause));
    }
  }

  async #makeHeader(): Promise<void> {
    this.#threads.addHeader(await makeHeader(this.#options.recipients));
  }

  #stored({ number, name, sizeBytes, sha256, plainBytes, frames }: SealedPack): void {
    this.#packs[number] = { part: { name, sizeBytes, sha256, plainBytes }, frames };
    this.#storedBytes += sizeBytes;
    this.#reportProgress();
  }

  #reportProgress(): void {
    this.#options.onProgress?.({ plainBytes: this.#plainBytes, storedBytes: this.#storedBytes });
  }

  /** The first cause wins; the rest are its consequences. */
  #fail(cause: unknown): void {
    this.#failure.reject(cause);
    if (!this.#aborted.signal.aborted) this.#aborted.abort(cause);
  }
}

function sealedPack(report: Extract<SealerReport, { kind: "pack" }>, onRelease: (blocks: ArrayBuffer[]) => void): SealedPack {
  const { number, chunks, frames, sizeBytes, sha256, plainBytes } = report;
  let isOurs = true;
  const release = (): void => {
    if (isOurs) onRelease(chunks.map(({ buffer }) => buffer));
    isOurs = false;
  };
  const letGo = (): void => {
    isOurs = false;
  };
  return { number, name: packName(number), chunks, frames, sizeBytes, sha256, plainBytes, release, letGo };
}

function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new HoldfastError("INTERNAL", `The stream gives ${typeof chunk} values where bytes are due.`);
}
