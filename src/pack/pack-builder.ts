import { createHash, randomBytes } from "node:crypto";
import type { Frame } from "../model/backup-index.ts";
import { type AgeHeader, PAYLOAD_NONCE_BYTES, PayloadSealer, sealedPayloadBytes } from "./age-payload.ts";

export interface BuiltPack {
  readonly chunks: readonly Uint8Array<ArrayBuffer>[];
  readonly frames: readonly Frame[];
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly plainBytes: number;
}

/** One pack in the making: a standard age file around zstd frames, encrypted and hashed as the frames come. */
export class PackBuilder {
  readonly #hash = createHash("sha256");
  readonly #sealer: PayloadSealer;
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [];
  readonly #frames: Frame[] = [];
  readonly #headBytes: number;
  #payloadBytes = 0;
  #plainBytes = 0;

  constructor({ header, fileKey }: AgeHeader) {
    const nonce = new Uint8Array(randomBytes(PAYLOAD_NONCE_BYTES));
    this.#sealer = new PayloadSealer(fileKey, nonce);
    this.#headBytes = header.byteLength + nonce.byteLength;
    this.#store(header);
    this.#store(nonce);
  }

  /** Takes one zstd frame; its buffer is the caller's again afterwards. Gives the sealed bytes that this pack now holds in memory. */
  add(frame: Uint8Array, plain: { streamOffset: number; plainBytes: number }): number {
    this.#frames.push({ ...plain, packOffset: this.#payloadBytes, frameBytes: frame.byteLength });
    this.#payloadBytes += frame.byteLength;
    this.#plainBytes += plain.plainBytes;
    this.#store(this.#sealer.update(frame));
    return this.sizeBytes;
  }

  /** Size of the object if it ended here. */
  get sizeBytes(): number {
    return this.#headBytes + sealedPayloadBytes(this.#payloadBytes);
  }

  /** The finished pack. Nothing can be added after it. */
  finish(): BuiltPack {
    this.#store(this.#sealer.finish());
    return {
      chunks: this.#chunks,
      frames: this.#frames,
      sizeBytes: this.sizeBytes,
      sha256: this.#hash.digest("hex"),
      plainBytes: this.#plainBytes,
    };
  }

  #store(bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.byteLength === 0) return;
    this.#hash.update(bytes);
    this.#chunks.push(bytes);
  }
}
