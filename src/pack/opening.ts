import type { HoldfastError } from "../lib/errors.ts";
import { isAllOfItsBuffer } from "../lib/give-back.ts";
import type { StoredPart } from "../model/manifest.ts";
import type { OpenHead } from "./open-head.ts";
import type { DecompressReport, OpenerReport } from "./read-messages.ts";
import { ReadThreads } from "./read-threads.ts";
import { damaged } from "./stored-bytes.ts";

const MIB = 1024 * 1024;
/** Stored bytes on their way to the opener. */
const STORED_LIMIT_BYTES = 8 * MIB;
/** Smaller chunks are gathered: a message costs as much as copying some tens of KiB. */
const MESSAGE_BYTES = MIB;
const MESSAGE_BYTES_AT_LEAST = MIB / 4;
/** Frames that are being decompressed or wait for the consumer. */
const FRAMES_AHEAD = 5;
/** Compressed frames that wait for a decompressor: beyond this no more stored bytes are taken. */
const COMPRESSED_LIMIT_BYTES = 16 * MIB;

type Opened = { readonly kind: "frame"; readonly part: StoredPart; frame: Uint8Array<ArrayBuffer> | null } | { readonly kind: "end"; readonly part: StoredPart };

/**
 * Stored bytes in, plain frames out in the same order; hashing, decryption and decompression run on threads, and what is
 * under way is bounded. The first failure ends both sides with the same error.
 */
export class Opening {
  readonly #threads: ReadThreads;
  readonly #failure = Promise.withResolvers<never>();
  /** What the opener found, in order, from the next one for the consumer on. */
  readonly #opened: Opened[] = [];
  /** Number of the frame that the consumer takes next. */
  #next = 0;
  readonly #plain = new Map<number, Uint8Array>();
  #compressedBytes = 0;
  #consumedParts = 0;
  #parts: StoredPart[] = [];
  #storedBytes = 0;
  /** Small chunks on their way into one message. */
  #gathered: Uint8Array<ArrayBuffer> | null = null;
  #gatheredBytes = 0;
  #isFed = false;
  /** Wakes whoever waits for a change; there are a feeder and a consumer. */
  #wake: (() => void)[] = [];

  constructor() {
    this.#failure.promise.catch(() => undefined);
    this.#threads = new ReadThreads({
      onOpened: (report) => this.#onOpened(report),
      onPlain: (report) => this.#onPlain(report),
      onFailure: (error) => this.fail(error),
    });
  }

  /** Begins the next part with what of it was read already. */
  async begin(part: StoredPart, { fileKey, nonce, read, payloadOffset }: OpenHead): Promise<void> {
    this.#parts.push(part);
    this.#threads.order({ kind: "part", part, fileKey: Uint8Array.from(fileKey), nonce: Uint8Array.from(nonce), head: Uint8Array.from(read.subarray(0, payloadOffset)) });
    await this.add(read.subarray(payloadOffset));
  }

  /** Takes stored bytes; resolves when they may be changed again. Chunks that are `isOurs` are handed on with their memory. */
  async add(bytes: Uint8Array, isOurs = false): Promise<void> {
    if (isOurs && bytes.byteLength >= MESSAGE_BYTES_AT_LEAST && isAllOfItsBuffer(bytes)) {
      this.#submit();
      await this.#room();
      this.#send(bytes);
      return;
    }
    for (let offset = 0; offset < bytes.byteLength; ) {
      if (this.#gathered === null) await this.#room();
      this.#gathered ??= new Uint8Array(MESSAGE_BYTES);
      const piece = bytes.subarray(offset, offset + MESSAGE_BYTES - this.#gatheredBytes);
      this.#gathered.set(piece, this.#gatheredBytes);
      this.#gatheredBytes += piece.byteLength;
      offset += piece.byteLength;
      if (this.#gatheredBytes === MESSAGE_BYTES) this.#submit();
    }
  }

  /** All stored bytes of the part were added. */
  endPart(): void {
    this.#submit();
    this.#threads.order({ kind: "end" });
  }

  /** No part follows. */
  end(): void {
    this.#isFed = true;
    this.#notify();
  }

  /** The next plain frame with its part, `null` in the place of a part's end, undefined after the last part. */
  async next(): Promise<{ part: StoredPart; plain: Uint8Array | null } | undefined> {
    for (;;) {
      const [first] = this.#opened;
      if (first?.kind === "end") {
        this.#opened.shift();
        this.#consumedParts += 1;
        this.#notify();
        return { part: first.part, plain: null };
      }
      const plain = this.#plain.get(this.#next);
      if (first !== undefined && plain !== undefined) {
        this.#opened.shift();
        this.#plain.delete(this.#next);
        this.#next += 1;
        this.#dispatch();
        return { part: first.part, plain };
      }
      if (this.#isFed && this.#parts.length === 0 && first === undefined) return undefined;
      await this.#changed();
    }
  }

  /** Resolves when the consumer has come to the end of so many parts. */
  async consumed(partCount: number): Promise<void> {
    while (this.#consumedParts < partCount) await this.#changed();
  }

  fail(error: unknown): void {
    this.#failure.reject(error);
  }

  stop(): Promise<void> {
    return this.#threads.stop();
  }

  /** Resolves when more stored bytes may be taken. */
  async #room(): Promise<void> {
    while (this.#storedBytes >= STORED_LIMIT_BYTES || this.#compressedBytes >= COMPRESSED_LIMIT_BYTES) await this.#changed();
  }

  #submit(): void {
    if (this.#gathered === null) return;
    const bytes = this.#gathered.subarray(0, this.#gatheredBytes);
    this.#gathered = null;
    this.#gatheredBytes = 0;
    this.#send(bytes);
  }

  #send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#storedBytes += bytes.byteLength;
    this.#threads.order({ kind: "bytes", bytes });
  }

  #onOpened(report: Exclude<OpenerReport, { kind: "failed" }>): void {
    const [part] = this.#parts;
    if (report.kind === "taken") this.#storedBytes -= report.sizeBytes;
    else if (part !== undefined && report.kind === "end") {
      this.#parts.shift();
      this.#opened.push({ kind: "end", part });
    } else if (part !== undefined && report.kind === "frame") {
      this.#compressedBytes += report.frame.byteLength;
      this.#opened.push({ kind: "frame", part, frame: report.frame });
      this.#dispatch();
    }
    this.#notify();
  }

  /** Gives waiting frames to the decompressors, as many as may be under way. */
  #dispatch(): void {
    let number = this.#next;
    for (const opened of this.#opened) {
      if (number >= this.#next + FRAMES_AHEAD) return;
      if (opened.kind === "end") continue;
      if (opened.frame !== null) {
        const { frame, part } = opened;
        opened.frame = null;
        this.#compressedBytes -= frame.byteLength;
        this.#notify();
        this.#threads.decompress({ number, frame, plainBytesAtMost: part.plainBytes });
      }
      number += 1;
    }
  }

  #onPlain(report: DecompressReport): void {
    if ("fault" in report) this.fail(this.#frameDamage(report.number, report.fault));
    else this.#plain.set(report.number, report.plain);
    this.#notify();
  }

  #frameDamage(number: number, fault: string): HoldfastError {
    const found = this.#opened.filter(({ kind }) => kind === "frame")[number - this.#next];
    return damaged(found?.part.name ?? "a pack", `a zstd frame does not decompress (${fault})`);
  }

  #changed(): Promise<void> {
    const change = new Promise<void>((resolve) => this.#wake.push(resolve));
    return Promise.race([this.#failure.promise, change]);
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
