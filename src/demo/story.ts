import { formatDuration } from "../lib/units.ts";
import type { LedgerComparison } from "./ledger.ts";

/** What the demo tells while it works, and the timeline it ends with. */
export class Story {
  readonly #print: (line: string) => void;
  readonly #nowMs: () => number;
  readonly #startMs: number;
  readonly #marks: { atMs: number; label: string; durationMs: number | null }[] = [];
  readonly #measures: { label: string; text: string }[] = [];

  constructor(print: (line: string) => void, nowMs: () => number) {
    this.#print = print;
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
  }

  chapter(title: string): void {
    this.#print("");
    this.#print(title);
  }

  command(line: string): void {
    this.#print(`  $ ${line}`);
  }

  tell(line: string): void {
    this.#print(`  ${line}`);
  }

  mark(label: string): void {
    this.#marks.push({ atMs: this.#nowMs(), label, durationMs: null });
  }

  measure(label: string, text: string): void {
    this.#measures.push({ label, text });
    this.#print(`  ${label}: ${text}`);
  }

  async timed<T>(label: string, work: () => Promise<T>): Promise<T> {
    const atMs = this.#nowMs();
    const result = await work();
    this.#marks.push({ atMs, label, durationMs: this.#nowMs() - atMs });
    return result;
  }

  /** Throws when the restored rows are not exactly the ledger's. */
  compared(what: string, comparison: LedgerComparison): void {
    const { comparedRows, differences } = comparison;
    if (differences.length > 0) throw new Error(`${what}: ${String(differences.length)} differences from the ledger, first: ${differences.slice(0, 3).join("; ")}`);
    if (comparedRows === 0) throw new Error(`${what}: the ledger holds no row to compare`);
    this.tell(`compared: ${String(comparedRows)} rows (${what}), every one equal to the writer's own ledger`);
  }

  timeline(): void {
    this.chapter("Timeline");
    for (const { atMs, label, durationMs } of this.#marks) {
      const at = `+${((atMs - this.#startMs) / 1_000).toFixed(1)} s`.padStart(9);
      this.#print(`  ${at}  ${label}${durationMs === null ? "" : ` (${formatDuration(durationMs)})`}`);
    }
    for (const { label, text } of this.#measures) this.#print(`  ${label}: ${text}`);
  }
}
