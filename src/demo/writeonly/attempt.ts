import { isHoldfastError } from "../../lib/errors.ts";

/** What came of trying something. */
export interface Answer {
  readonly refused: boolean;
  /** Not refused, because nobody can tell that it is wrong: what follows must show that it destroys nothing. */
  readonly taken?: boolean;
  /** Status and code, or what the system said. */
  readonly said: string;
}

/** One thing that somebody tries against the backups. */
export interface Attempt {
  /** At whom it is aimed. */
  readonly at: string;
  readonly what: string;
  readonly run: () => Promise<Answer>;
}

export interface Tried extends Answer {
  readonly at: string;
  readonly what: string;
}

const NOT_IMPLEMENTED = 501;

/** Only an answer that says no is a refusal: a fault of the other side, or silence, proves nothing. */
export function isRefusal(status: number): boolean {
  return (status >= 400 && status < 500) || status === NOT_IMPLEMENTED;
}

/** Tries one after another; what breaks on the way has not been refused. */
export async function tryAll(attempts: readonly Attempt[], tell: (tried: Tried) => void): Promise<void> {
  for (const { at, what, run } of attempts) {
    const answer = await run().catch((error: unknown): Answer => ({ refused: false, said: `it could not be tried: ${wordsOf(error)}` }));
    tell({ at, what, ...answer });
  }
}

/** A call of Holdfast's API, by the error that it ends with. */
export async function answerOf(call: () => Promise<unknown>): Promise<Answer> {
  try {
    const answer = await call();
    return { refused: false, said: `done: ${JSON.stringify(answer).slice(0, 120)}` };
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    const { status } = error.row;
    return { refused: isRefusal(status), said: `${String(status)} ${error.code}` };
  }
}

/** The end of a long name, where it differs from others. */
export function short(name: string): string {
  return JSON.stringify(name.length > 40 ? `…${name.slice(-36)}` : name);
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error ? `${String(error.code)} ` : "";
  return `${code}${error.message}`;
}
