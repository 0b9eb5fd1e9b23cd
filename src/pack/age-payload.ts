import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import type { PackMemory } from "./pack-memory.ts";

/** The head of one age file: the header as stored, and the key that its payload is sealed with. Never log the key. */
export interface AgeHeader {
  readonly header: Uint8Array<ArrayBuffer>;
  readonly fileKey: Uint8Array<ArrayBuffer>;
}

/** Bytes of the random nonce between an age header and its payload. */
export const PAYLOAD_NONCE_BYTES = 16;
/**
 * The payload of an age file: 64 KiB chunks of ChaCha20-Poly1305 under a key derived from file key and nonce, a chunk's
 * nonce being its 88-bit number and a flag that marks the last one. Source: https://age-encryption.org/v1, "Payload".
 */
export const CHUNK_BYTES = 64 * 1024;
export const TAG_BYTES = 16;
export const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES;

const CIPHER = "chacha20-poly1305";
const CIPHER_OPTIONS = { authTagLength: TAG_BYTES } as const;

/** Sealed size of a payload of `plainBytes`, without header and nonce. */
export function sealedPayloadBytes(plainBytes: number): number {
  return plainBytes + TAG_BYTES * Math.max(1, Math.ceil(plainBytes / CHUNK_BYTES));
}

function payloadKey(fileKey: Uint8Array, nonce: Uint8Array): KeyObject {
  return createSecretKey(new Uint8Array(hkdfSync("sha256", fileKey, nonce, "payload", 32)));
}

/** Number and last-chunk flag of the STREAM construction, in one buffer that is used again for every chunk. */
class ChunkNonce {
  readonly bytes = new Uint8Array(12);

  next(): void {
    for (let place = 10; place >= 0; place -= 1) {
      const value = ((this.bytes[place] ?? 0) + 1) & 0xff;
      this.bytes[place] = value;
      if (value !== 0) return;
    }
  }

  markLast(): void {
    this.bytes[11] = 1;
  }
}

/** Seals a payload piece by piece into the memory of a pack. What it is given is not kept. */
export class PayloadSealer {
  readonly #key: KeyObject;
  readonly #memory: PackMemory;
  readonly #nonce = new ChunkNonce();
  /** Plain bytes that do not fill a chunk yet, or fill one that may be the last. */
  readonly #rest = new Uint8Array(CHUNK_BYTES);
  #restBytes = 0;

  constructor(fileKey: Uint8Array, nonce: Uint8Array, memory: PackMemory) {
    this.#key = payloadKey(fileKey, nonce);
    this.#memory = memory;
  }

  /** Seals every chunk that is now known not to be the last, possibly none, and gives each. To be taken to its end. */
  *update(plain: Uint8Array): Generator<Uint8Array<ArrayBuffer>> {
    const totalBytes = this.#restBytes + plain.byteLength;
    const chunkCount = totalBytes === 0 ? 0 : Math.ceil(totalBytes / CHUNK_BYTES) - 1;
    let offset = 0;
    for (let chunk = 0; chunk < chunkCount; chunk += 1) {
      const place = this.#memory.room(SEALED_CHUNK_BYTES);
      if (this.#restBytes > 0) {
        offset += this.#keep(plain.subarray(offset, offset + CHUNK_BYTES - this.#restBytes));
        this.#seal(this.#rest, place);
        this.#restBytes = 0;
      } else {
        this.#seal(plain.subarray(offset, offset + CHUNK_BYTES), place);
        offset += CHUNK_BYTES;
      }
      yield place;
    }
    this.#keep(plain.subarray(offset));
  }

  /** Seals the last chunk. Nothing can be sealed after it. */
  finish(): Uint8Array<ArrayBuffer> {
    this.#nonce.markLast();
    const place = this.#memory.room(this.#restBytes + TAG_BYTES);
    this.#seal(this.#rest.subarray(0, this.#restBytes), place);
    return place;
  }

  #keep(plain: Uint8Array): number {
    this.#rest.set(plain, this.#restBytes);
    this.#restBytes += plain.byteLength;
    return plain.byteLength;
  }

  #seal(plain: Uint8Array, place: Uint8Array): void {
    const cipher = createCipheriv(CIPHER, this.#key, this.#nonce.bytes, CIPHER_OPTIONS);
    const sealed = cipher.update(plain);
    place.set(sealed);
    // Thousands of these per pack: left to the garbage collector they cost memory and time.
    if (sealed.byteLength >= CHUNK_BYTES) sealed.buffer.transfer(0);
    cipher.final();
    place.set(cipher.getAuthTag(), plain.byteLength);
    this.#nonce.next();
  }
}

/** What is wrong with a payload; the reader names the pack. */
export class PayloadDamage extends Error {}

/** Opens a payload piece by piece. Chunks come out whole, each only after its tag was checked. */
export class PayloadOpener {
  readonly #key: KeyObject;
  readonly #nonce = new ChunkNonce();
  readonly #rest = Buffer.allocUnsafeSlow(SEALED_CHUNK_BYTES);
  #restBytes = 0;
  #chunk = 0;

  constructor(fileKey: Uint8Array, nonce: Uint8Array) {
    this.#key = payloadKey(fileKey, nonce);
  }

  /** The plain chunks that are now known not to be the last. Throws PayloadDamage. */
  *update(sealed: Uint8Array): Generator<Buffer> {
    let offset = 0;
    while (offset < sealed.byteLength) {
      // A full chunk is opened only when a byte after it proves that it is not the last.
      if (this.#restBytes === SEALED_CHUNK_BYTES) yield this.#open(this.#takeRest(), false);
      for (; this.#restBytes === 0 && sealed.byteLength - offset > SEALED_CHUNK_BYTES; offset += SEALED_CHUNK_BYTES) {
        yield this.#open(sealed.subarray(offset, offset + SEALED_CHUNK_BYTES), false);
      }
      const piece = sealed.subarray(offset, offset + SEALED_CHUNK_BYTES - this.#restBytes);
      this.#rest.set(piece, this.#restBytes);
      this.#restBytes += piece.byteLength;
      offset += piece.byteLength;
    }
  }

  /** The last chunk; throws PayloadDamage when what came last was not sealed as the last. */
  finish(): Buffer {
    if (this.#restBytes < TAG_BYTES) throw new PayloadDamage("its encrypted payload is cut short");
    return this.#open(this.#takeRest(), true);
  }

  #takeRest(): Uint8Array {
    const rest = this.#rest.subarray(0, this.#restBytes);
    this.#restBytes = 0;
    return rest;
  }

  #open(sealed: Uint8Array, isLast: boolean): Buffer {
    if (isLast) this.#nonce.markLast();
    const plainBytes = sealed.byteLength - TAG_BYTES;
    if (isLast && plainBytes === 0 && this.#chunk > 0) throw new PayloadDamage("its encrypted payload ends with an empty chunk");
    const decipher = createDecipheriv(CIPHER, this.#key, this.#nonce.bytes, CIPHER_OPTIONS);
    decipher.setAuthTag(sealed.subarray(plainBytes));
    const plain = decipher.update(sealed.subarray(0, plainBytes));
    this.#checkTag(() => decipher.final(), isLast);
    this.#chunk += 1;
    this.#nonce.next();
    return plain;
  }

  #checkTag(final: () => Buffer, isLast: boolean): void {
    try {
      final();
    } catch (cause) {
      const which = `encrypted chunk ${String(this.#chunk)}`;
      throw new PayloadDamage(isLast ? `${which} is altered, or is not the last one that was written` : `${which} is altered`, { cause });
    }
  }
}

/** Opens single chunks of a payload by their number, in any order; each is checked by its own tag. */
export class ChunkOpener {
  readonly #key: KeyObject;

  constructor(fileKey: Uint8Array, nonce: Uint8Array) {
    this.#key = payloadKey(fileKey, nonce);
  }

  /** Throws PayloadDamage when the chunk is not the one that was written at this place, or not last where it should be. */
  open(sealed: Uint8Array, number: number, isLast: boolean): Buffer {
    if (sealed.byteLength < TAG_BYTES) throw new PayloadDamage("its encrypted payload is cut short");
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64BE(BigInt(number), 3);
    if (isLast) nonce[11] = 1;
    const plainBytes = sealed.byteLength - TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, this.#key, nonce, CIPHER_OPTIONS);
    decipher.setAuthTag(sealed.subarray(plainBytes));
    const plain = decipher.update(sealed.subarray(0, plainBytes));
    try {
      decipher.final();
    } catch (cause) {
      throw new PayloadDamage(`encrypted chunk ${String(number)} is altered`, { cause });
    }
    return plain;
  }
}
