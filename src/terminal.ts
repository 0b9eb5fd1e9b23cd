import { fstatSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { HoldfastError } from "./lib/errors.ts";

/** A person at a keyboard, or a program in the place of one. */
export interface Terminal {
  /** True when a person reads along: then it is worth clearing the screen. */
  readonly isScreen: boolean;
  /** True when what is written here stays in a file. */
  readonly isFile: boolean;
  write(text: string): void;
  /** The next line that is typed; null when there are no more. Rejects when the signal aborts. */
  readLine(signal: AbortSignal): Promise<string | null>;
  /** Stops listening, so that the process can end. */
  close(): void;
}

/** Asks on one stream, hears on another. The keyboard is left as it is: the kernel edits lines, and Ctrl-C is a signal. */
export function openTerminal(input: Readable, output: Writable & { readonly fd?: number; readonly isTTY?: boolean }): Terminal {
  let lines: AsyncIterator<string> | undefined;
  let reader: ReturnType<typeof createInterface> | undefined;
  return {
    isScreen: output.isTTY === true,
    get isFile() {
      return output.fd !== undefined && fstatSync(output.fd).isFile();
    },
    write: (text) => void output.write(text),
    readLine: async (signal) => {
      reader ??= createInterface({ input, terminal: false, historySize: 0 });
      lines ??= reader[Symbol.asyncIterator]();
      const { promise: aborted, reject } = Promise.withResolvers<never>();
      const onAbort = (): void => reject(signal.reason instanceof Error ? signal.reason : new HoldfastError("CANCELLED", "Interrupted."));
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        if (signal.aborted) onAbort();
        const next = await Promise.race([lines.next(), aborted]);
        return next.done === true ? null : next.value;
      } finally {
        signal.removeEventListener("abort", onAbort);
      }
    },
    close: () => {
      reader?.close();
      input.destroy();
    },
  };
}

/** The next line that is not empty; the prefix that stands above an identity's lines on paper is no answer either. */
export async function answerOf(terminal: Terminal, signal: AbortSignal): Promise<string> {
  for (;;) {
    const typed = await terminal.readLine(signal);
    if (typed === null) throw new HoldfastError("INPUT_INVALID", "Nothing more was typed.");
    if (!["", "AGE-SECRET-KEY-1"].includes(typed.replace(/\s/g, "").toUpperCase())) return typed;
  }
}
