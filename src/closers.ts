import type { Log } from "./lib/log.ts";

/** What was opened, to be closed in reverse order; one that fails does not keep the others open. */
export class Closers {
  readonly #log: Log;
  readonly #steps: { name: string; close: () => Promise<void> }[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  add(name: string, close: () => Promise<void>): void {
    this.#steps.push({ name, close });
  }

  /** Closes everything once; later calls find nothing left to do. */
  async closeAll(): Promise<void> {
    for (const { name, close } of this.#steps.splice(0).toReversed()) {
      try {
        await close();
      } catch (error) {
        this.#log.error({ err: error, part: name }, "could not be closed");
      }
    }
  }
}
