const LOOK_EVERY_MS = 500;

/** Looks for new events, once for all who wait for them, and not at all while nobody does. One for each process. */
export class EventWatch {
  readonly #newest: () => Promise<number>;
  readonly #everyMs: number;
  #waiting = new Set<PromiseWithResolvers<number | null>>();
  #timer: NodeJS.Timeout | undefined;

  /** `newest` gives the number of the newest event. */
  constructor(newest: () => Promise<number>, everyMs = LOOK_EVERY_MS) {
    this.#newest = newest;
    this.#everyMs = everyMs;
  }

  /** The number of the newest event as the next look finds it, whether it is another or not; null once the signal ends the wait. */
  async next(signal: AbortSignal): Promise<number | null> {
    if (signal.aborted) return null;
    const waiter = Promise.withResolvers<number | null>();
    const leave = (): void => {
      this.#waiting.delete(waiter);
      if (this.#waiting.size === 0) this.#rest();
      waiter.resolve(null);
    };
    this.#waiting.add(waiter);
    this.#timer ??= setTimeout(() => void this.#look(), this.#everyMs);
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await waiter.promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #look(): Promise<void> {
    this.#rest();
    const told = this.#waiting;
    this.#waiting = new Set();
    try {
      const newest = await this.#newest();
      for (const { resolve } of told) resolve(newest);
    } catch (error) {
      for (const { reject } of told) reject(error);
    }
  }
}
