import type { HoldfastError } from "../lib/errors.ts";
import type { StoredPart } from "../model/manifest.ts";
import { PayloadDamage, PayloadOpener } from "./age-payload.ts";
import { type FrameDamage, FrameSplitter } from "./frame-splitter.ts";
import { damaged, StoredBytesCheck } from "./stored-bytes.ts";

/** Checks and decrypts one part as its stored bytes come, and gives its zstd frames, still compressed. */
export class PartOpener {
  readonly #part: StoredPart;
  readonly #check: StoredBytesCheck;
  readonly #opener: PayloadOpener;
  readonly #splitter = new FrameSplitter();
  readonly #onFrame: (frame: Uint8Array<ArrayBuffer>) => void;

  /** `head` is what was stored before the payload. */
  constructor({ part, fileKey, nonce, head }: { part: StoredPart; fileKey: Uint8Array; nonce: Uint8Array; head: Uint8Array }, onFrame: (frame: Uint8Array<ArrayBuffer>) => void) {
    this.#part = part;
    this.#check = new StoredBytesCheck(part);
    this.#check.update(head);
    this.#opener = new PayloadOpener(fileKey, nonce);
    this.#onFrame = onFrame;
  }

  /** Throws OBJECT_DAMAGED, PayloadDamage, FrameDamage. Does not keep `stored`. */
  update(stored: Uint8Array): void {
    this.#check.update(stored);
    for (const chunk of this.#opener.update(stored)) this.#split(chunk);
  }

  /** Throws unless the whole part was there, unaltered, and ended with a whole frame. */
  finish(): void {
    this.#check.finish();
    this.#split(this.#opener.finish());
    this.#splitter.finish();
  }

  damage(error: PayloadDamage | FrameDamage): HoldfastError {
    const where = error instanceof PayloadDamage ? ` (after ${this.#check.sizeBytes} of ${this.#part.sizeBytes} stored bytes)` : "";
    return damaged(this.#part.name, `${error.message}${where}`, error);
  }

  #split(chunk: Uint8Array): void {
    for (const frame of this.#splitter.push(chunk)) this.#onFrame(frame as Uint8Array<ArrayBuffer>);
  }
}
