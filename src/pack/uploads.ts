import type { SealedPack, WriteOptions } from "./contract.ts";

export interface UploadsOptions {
  readonly store: WriteOptions["store"];
  readonly signal: AbortSignal;
  /** The pack's buffers were given back, stored or not. */
  readonly onReleased: (pack: SealedPack) => void;
  readonly onStored: (pack: SealedPack) => void;
  readonly onFailure: (cause: unknown) => void;
  readonly sideBySide: number;
}

/** Stores finished packs, a few at a time, and gives their buffers back. */
export class Uploads {
  readonly #options: UploadsOptions;
  readonly #waiting: SealedPack[] = [];
  readonly #running = new Set<Promise<void>>();
  #isAbandoned = false;

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  add(pack: SealedPack): void {
    this.#waiting.push(pack);
    this.#startMore();
  }

  /** Resolves when nothing waits or runs. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Gives up what waits and resolves when what runs has ended: its buffers are in use until then. */
  async abandon(): Promise<void> {
    this.#isAbandoned = true;
    for (const pack of this.#waiting.splice(0)) this.#release(pack);
    await this.idle();
  }

  #startMore(): void {
    while (this.#running.size < this.#options.sideBySide && !this.#isAbandoned && !this.#options.signal.aborted) {
      const pack = this.#waiting.shift();
      if (pack === undefined) return;
      const run = this.#upload(pack).finally(() => {
        this.#running.delete(run);
        this.#startMore();
      });
      this.#running.add(run);
    }
  }

  async #upload(pack: SealedPack): Promise<void> {
    try {
      await this.#options.store(pack, this.#options.signal);
      this.#options.onStored(pack);
    } catch (cause) {
      this.#options.onFailure(cause);
    } finally {
      this.#release(pack);
    }
  }

  #release(pack: SealedPack): void {
    pack.release();
    this.#options.onReleased(pack);
  }
}
