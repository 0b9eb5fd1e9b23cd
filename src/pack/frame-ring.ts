/** Slots that keep two compressors and the sealer busy while the main thread fills another (measured). */
const RING_SLOTS = 6;
const RING_SLOTS_AT_LEAST = 2;
/** What compressors, cipher and the tool's pipe need beside the frames, and what the allocator keeps of it (measured). */
const WORKING_BYTES = 48 * 1024 * 1024;

/**
 * The ring of shared frames and the one byte budget of a write. A slot is free again when its frame was sealed; it is
 * given out only while everything held (the ring, what its frames may compress to, the pack being filled, and finished
 * packs that are not stored yet, and what the threads work with) stays inside the budget. That is the back-pressure on the source.
 */
export class FrameRing {
  readonly memory: readonly SharedArrayBuffer[];
  readonly #frameBytes: number;
  readonly #budgetBytes: number;
  readonly #workingBytes: number;
  readonly #free: number[];
  #fillingBytes = 0;
  #finishedBytes = 0;
  readonly #onShort: ((isShort: boolean) => void) | undefined;
  #waiter: ((slot: number) => void) | null = null;
  #isShort = false;

  constructor(frameBytes: number, budgetBytes: number, onShort?: (isShort: boolean) => void) {
    // At most half of a small budget is ring and its results: packs need the rest.
    const slots = Math.floor(budgetBytes / 4 / frameBytes);
    const slotCount = Math.min(RING_SLOTS, Math.max(RING_SLOTS_AT_LEAST, slots));
    this.memory = Array.from({ length: slotCount }, () => new SharedArrayBuffer(frameBytes));
    this.#free = this.memory.map((_, slot) => slot);
    this.#frameBytes = frameBytes;
    this.#budgetBytes = budgetBytes;
    this.#workingBytes = Math.min(WORKING_BYTES, budgetBytes / 4);
    this.#onShort = onShort;
  }

  /** A slot to fill; waits while there is none or the budget is used up. One caller at a time. */
  take(): Promise<number> {
    return new Promise((resolve) => {
      this.#waiter = resolve;
      this.#serve();
    });
  }

  /** The frame of this slot was sealed; the pack being filled now holds `fillingBytes`. */
  freed(slot: number, fillingBytes: number): void {
    this.#free.push(slot);
    this.#fillingBytes = fillingBytes;
    this.#serve();
  }

  packFinished(sizeBytes: number): void {
    this.#fillingBytes = 0;
    this.#finishedBytes += sizeBytes;
  }

  packReleased(sizeBytes: number): void {
    this.#finishedBytes -= sizeBytes;
    this.#serve();
  }

  #serve(): void {
    if (this.#waiter === null) return;
    const fits = this.#fits();
    this.#tell(!fits);
    const slot = fits ? this.#free.shift() : undefined;
    if (slot === undefined) return;
    const resolve = this.#waiter;
    this.#waiter = null;
    resolve(slot);
  }

  /** Only the budget counts: without a free slot it is the compressors that are waited for. */
  #tell(isShort: boolean): void {
    if (this.#isShort === isShort) return;
    this.#isShort = isShort;
    this.#onShort?.(isShort);
  }

  #fits(): boolean {
    // With nothing finished there is nothing to wait for: the pack being filled must be able to grow to its end.
    if (this.#finishedBytes === 0) return true;
    const heldBytes = 2 * this.memory.length * this.#frameBytes + this.#fillingBytes + this.#finishedBytes + this.#workingBytes;
    return heldBytes <= this.#budgetBytes;
  }
}
