import { HoldfastError } from "../../lib/errors.ts";
import type { Tried } from "./attempt.ts";

const VERDICT_COLUMNS = 9;
const SAID_COLUMNS = 36;

/** Prints what was tried as it happens, and counts. */
export class Report {
  readonly #print: (line: string) => void;
  readonly #tried: Tried[] = [];
  #at = "";

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  add(tried: Tried): void {
    this.#tried.push(tried);
    if (tried.at !== this.#at) {
      this.#at = tried.at;
      this.#print(`  ${tried.at}`);
    }
    const verdict = tried.refused ? "refused" : tried.taken === true ? "taken" : "SUCCEEDED";
    this.#print(`    ${verdict.padEnd(VERDICT_COLUMNS)}  ${tried.said.padEnd(SAID_COLUMNS)}  ${tried.what}`);
  }

  counts(): { tried: number; refused: number; taken: number } {
    const taken = this.#tried.filter((one) => !one.refused && one.taken === true).length;
    return { tried: this.#tried.length, refused: this.#tried.filter(({ refused }) => refused).length, taken };
  }

  /** What was tried, in one line. */
  summary(): string {
    const { tried, refused, taken } = this.counts();
    return `${String(tried)} tried, ${String(refused)} refused${taken === 0 ? "" : `, ${String(taken)} taken (not refused)`}`;
  }

  /** Prints the counts; throws when anything was neither refused nor of what may be taken. */
  conclude(): void {
    const { tried } = this.counts();
    this.#print(`  ${this.summary()}`);
    const open = this.#tried.filter((one) => !one.refused && one.taken !== true);
    for (const { at, what, said } of open) this.#print(`  !!! NOT REFUSED: ${at}: ${what}: ${said}`);
    if (tried === 0) throw new HoldfastError("VERIFICATION_FAILED", "Nothing was tried, which proves nothing.", { hint: "Run the demo again." });
    if (open.length > 0) throw new HoldfastError("VERIFICATION_FAILED", `${String(open.length)} of ${String(tried)} attempts against the backups were not refused; the first: ${open[0]?.what ?? ""}.`, { hint: "See the lines that begin with !!!." });
  }
}
