import type { Writable } from "node:stream";
import { toErrorRecord } from "../lib/errors.ts";
import type { Output } from "./command.ts";
import { printable, printableLines } from "./text.ts";
import { cut } from "./text-width.ts";

export interface Screen {
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** True when stderr is a terminal, so that a line can be written over. */
  readonly interactive: boolean;
  /** Width of the terminal in characters: a progress line must not wrap, or it could not be written over. */
  readonly columns: number;
  readonly nowMs: () => number;
}

export interface ProgramOutput extends Output {
  /** The error a command ended with. With --json it is the document, unless the result already was. */
  error(error: unknown): void;
}

/** Without a terminal a progress line is printed this often. */
const QUIET_PROGRESS_MS = 10_000;

export function createOutput(screen: Screen, json: boolean): ProgramOutput {
  let progressShown = false;
  let resultShown = false;
  let lastQuietMs = -Infinity;
  const clearProgress = (): void => {
    if (progressShown) screen.stderr.write("\r\u001b[K");
    progressShown = false;
  };
  const print = (value: unknown): void => {
    screen.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  };
  return {
    json,
    result: (value, text) => {
      clearProgress();
      resultShown = true;
      if (json) print(value);
      else if (text !== "") screen.stdout.write(`${printableLines(text)}\n`);
    },
    note: (line) => {
      if (json) return;
      clearProgress();
      screen.stderr.write(`${printableLines(line)}\n`);
    },
    progress: (line) => {
      if (json) return;
      if (screen.interactive) {
        screen.stderr.write(`\r\u001b[K${cut(printable(line), screen.columns - 1)}`);
        progressShown = true;
        return;
      }
      if (screen.nowMs() - lastQuietMs < QUIET_PROGRESS_MS) return;
      lastQuietMs = screen.nowMs();
      screen.stderr.write(`${printable(line)}\n`);
    },
    error: (error) => {
      clearProgress();
      const record = toErrorRecord(error);
      if (json && !resultShown) print({ error: record });
      else screen.stderr.write(printableLines(`holdfast: ${record.message}\n${indented(record.hint)}  [${record.code}]`) + "\n");
    },
  };
}

function indented(hint: string): string {
  return hint === "" ? "" : `${hint.split("\n").map((line) => `  ${line}`).join("\n")}\n`;
}
