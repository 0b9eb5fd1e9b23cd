/** Text as people write it into tables: words of unequal frequency, numbers, short sentences. The same for the same seed. */
export class TextSource {
  readonly #words: readonly string[];
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
    this.#words = Array.from({ length: 6_000 }, () => this.#word());
  }

  /** About `length` characters, none of which SQL would need escaped. */
  next(length: number): string {
    const words: string[] = [];
    let total = 0;
    while (total < length) {
      const word = this.#below(12) === 0 ? String(this.#below(1_000_000)) : (this.#words[this.#rank()] ?? "");
      words.push(word);
      total += word.length + 1;
    }
    return words.join(" ").slice(0, length);
  }

  /** Low ranks far more often than high ones, as in natural language. */
  #rank(): number {
    return Math.floor(this.#words.length ** (this.#below(1_000_000) / 1_000_000)) - 1;
  }

  #word(): string {
    const length = 2 + this.#below(9);
    return String.fromCharCode(...Array.from({ length }, () => 97 + this.#below(26)));
  }

  /** xorshift32: fast, and good enough for text. */
  #below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % limit;
  }
}
