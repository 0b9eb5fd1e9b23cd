import { createHash } from "node:crypto";
import { HoldfastError } from "../lib/errors.ts";
import type { StoredPart } from "../model/manifest.ts";

/** The one way to say that a pack is not what was written. */
export function damaged(name: string, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError("OBJECT_DAMAGED", `${name} is damaged: ${what}.`, { cause, details: { name } });
}

/** Follows the stored bytes of a part and compares them with what the manifest says of it. */
export class StoredBytesCheck {
  readonly #part: StoredPart;
  readonly #hash = createHash("sha256");
  #sizeBytes = 0;

  constructor(part: StoredPart) {
    this.#part = part;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  update(chunk: Uint8Array): void {
    this.#sizeBytes += chunk.byteLength;
    if (this.#sizeBytes > this.#part.sizeBytes) throw damaged(this.#part.name, `it has more than the ${this.#part.sizeBytes} bytes that were stored`);
    this.#hash.update(chunk);
  }

  /** Throws OBJECT_DAMAGED unless every byte was there and is the same. */
  finish(): void {
    const { name, sizeBytes, sha256 } = this.#part;
    if (this.#sizeBytes !== sizeBytes) throw damaged(name, `it has ${this.#sizeBytes} bytes, not ${sizeBytes}`);
    const found = this.#hash.digest("hex");
    if (found !== sha256) throw damaged(name, `its SHA-256 is ${found}, not ${sha256}`);
  }
}
