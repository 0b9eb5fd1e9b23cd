import { type Clock, delay } from "./clock.ts";

/** Small enough that a link never sees a burst that a person would notice. */
const SLICE_BYTES = 65_536;
/** What was not sent in time is not caught up on beyond this. */
const CREDIT_MS = 100;

/** A limit in bytes per second that everything going through it shares: all uploads of an agent, or all reading of a check. */
export class Pace {
  readonly #bytesPerMs: number;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #wait: typeof delay;
  /** When the bytes that were let through so far would have been sent at exactly the limit. */
  #sentAtMs = 0;

  constructor(bytesPerS: number, clock: Pick<Clock, "monotonicMs">, wait: typeof delay = delay) {
    this.#bytesPerMs = bytesPerS / 1_000;
    this.#clock = clock;
    this.#wait = wait;
  }

  /** The same bytes, no faster than the limit; throws the signal's reason when it aborts during a wait. */
  async *paced(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      for (let offset = 0; offset < chunk.byteLength; offset += SLICE_BYTES) {
        const slice = chunk.subarray(offset, offset + SLICE_BYTES);
        await this.#turn(slice.byteLength, signal);
        yield slice;
      }
    }
  }

  /** Streams side by side take turns: each slice takes the next place in time. */
  async #turn(sizeBytes: number, signal: AbortSignal | undefined): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    this.#sentAtMs = Math.max(this.#sentAtMs, nowMs - CREDIT_MS) + sizeBytes / this.#bytesPerMs;
    if (this.#sentAtMs > nowMs) await this.#wait(this.#sentAtMs - nowMs, signal);
  }
}
