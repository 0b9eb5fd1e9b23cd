import { createHash, randomBytes } from "node:crypto";
import type { Frame } from "../model/backup-index.ts";
import { type AgeHeader, PAYLOAD_NONCE_BYTES, PayloadSealer, sealedPayloadBytes } from "./age-payload.ts";
import type { PackMemory } from "./pack-memory.ts";

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
  readonly #memory: PackMemory;
  readonly #frames: Frame[] = [];
  readonly #headBytes: number;
  #payloadBytes = 0;
  #plainBytes = 0;

  constructor({ header, fileKey }: AgeHeader, memory: PackMemory) {
    const nonce = new Uint8Array(randomBytes(PAYLOAD_NONCE_BYTES));
    this.#memory = memory;
    this.#sealer = new PayloadSealer(fileKey, nonce, memory);
    this.#headBytes = header.byteLength + nonce.byteLength;
    for (const bytes of [header, nonce]) {
      memory.room(bytes.byteLength).set(bytes);
      this.#hash.update(bytes);
    }
  }

  /** Takes one zstd frame; its buffer is the caller's again afterwards. Gives the sealed bytes that this pack now holds in memory. */
  add(frame: Uint8Array, plain: { streamOffset: number; plainBytes: number }): number {
    this.#frames.push({ ...plain, packOffset: this.#payloadBytes, frameBytes: frame.byteLength });
    this.#plainBytes += plain.plainBytes;
    this.append(frame);
    return this.sizeBytes;
  }

  /** Takes a piece of payload whose frames somebody else knows. */
  append(payload: Uint8Array): void {
    this.#payloadBytes += payload.byteLength;
    // Piece by piece, while the processor's cache still holds it.
    for (const sealed of this.#sealer.update(payload)) this.#hash.update(sealed);
  }

  /** Size of the object if it ended here. */
  get sizeBytes(): number {
    return this.#headBytes + sealedPayloadBytes(this.#payloadBytes);
  }

  /** The finished pack. Nothing can be added after it. */
  finish(): BuiltPack {
    this.#hash.update(this.#sealer.finish());
    return {
      chunks: this.#memory.chunks(),
      frames: this.#frames,
      sizeBytes: this.sizeBytes,
      sha256: this.#hash.digest("hex"),
      plainBytes: this.#plainBytes,
    };
  }
}
