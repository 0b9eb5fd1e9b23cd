import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { delay } from "../../src/lib/clock.ts";
import type { LogLine } from "./states.ts";

const CHUNK_BYTES = 256 * 1024;

/** Reads a growing log from where it ends now. */
export class LogWatch {
  readonly #path: string;
  readonly #lines: LogLine[] = [];
  #offset: number;
  #rest = "";

  constructor(path: string) {
    this.#path = path;
    this.#offset = existsSync(path) ? statSync(path).size : 0;
  }

  /** All whole lines since the beginning of the watch. */
  lines(): readonly LogLine[] {
    if (!existsSync(this.#path)) return this.#lines;
    const file = openSync(this.#path, "r");
    try {
      const chunk = Buffer.alloc(CHUNK_BYTES);
      for (;;) {
        const size = readSync(file, chunk, 0, CHUNK_BYTES, this.#offset);
        if (size === 0) break;
        this.#offset += size;
        this.#take(chunk.toString("latin1", 0, size));
      }
    } finally {
      closeSync(file);
    }
    return this.#lines;
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      // A full disk may have cut a line.
      try {
        this.#lines.push(JSON.parse(line) as LogLine);
      } catch {
        this.#lines.push({ msg: "unreadable line", line });
      }
    }
  }

  /** True as soon as a line satisfies; false when `gaveUp` says so or the time is over. */
  async until(satisfies: (line: LogLine) => boolean, limitMs: number, gaveUp: () => boolean = () => false): Promise<boolean> {
    const endMs = Date.now() + limitMs;
    for (let looked = 0; ; ) {
      const lines = this.lines();
      for (; looked < lines.length; looked += 1) if (satisfies(lines[looked] as LogLine)) return true;
      if (Date.now() > endMs || gaveUp()) return false;
      await delay(1);
    }
  }
}
