import { type KeyPair, parseIdentities, writeIdentityFile } from "./keys/identities.ts";
import { identityOfLines, isWholeIdentity, PAPER_LINES, readPaperLine, squeezed } from "./keys/paper-identity.ts";
import type { Clock } from "./lib/clock.ts";
import { HoldfastError, isHoldfastError } from "./lib/errors.ts";
import { answerOf, type Terminal } from "./terminal.ts";

const TRIES = 3;

/**
 * Asks for an identity that is on paper, line by line, and writes it to a new file that only its owner can read. Each line
 * is checked by its code where that is typed, the whole by the identity's own checksum.
 */
export async function keyFromPaper({ terminal, path, signal, clock }: { terminal: Terminal; path: string; signal: AbortSignal; clock: Clock }): Promise<{ recipient: string; path: string }> {
  try {
    terminal.write("Type the lines as they are on paper, each with the code behind its =; the lines' numbers and spaces may be left out.\n");
    const texts: string[] = [];
    for (let number = 1; number <= PAPER_LINES && !isWholeIdentity(texts[0] ?? ""); number += 1) texts.push(await lineOf(number, terminal, signal));
    const pair = await pairOf(isWholeIdentity(texts[0] ?? "") ? squeezed(texts[0] ?? "") : identityOfLines(texts));
    await writeIdentityFile(path, pair, clock);
    return { recipient: pair.recipient, path };
  } finally {
    terminal.close();
  }
}

async function lineOf(number: number, terminal: Terminal, signal: AbortSignal): Promise<string> {
  for (let tries = terminal.isScreen ? TRIES : 1; ; tries -= 1) {
    terminal.write(`line ${String(number)}: `);
    const typed = await answerOf(terminal, signal);
    if (number === 1 && isWholeIdentity(typed)) return typed;
    try {
      return readPaperLine(number, typed);
    } catch (error) {
      if (!isHoldfastError(error, "INPUT_INVALID") || tries <= 1) throw error;
      terminal.write(`${error.message} Once more, please.\n`);
    }
  }
}

async function pairOf(identity: string): Promise<KeyPair> {
  const pairs = await parseIdentities("that was typed", identity).catch(() => []);
  const [pair] = pairs;
  if (pair !== undefined) return pair;
  throw new HoldfastError("INPUT_INVALID", "What was typed is no identity: its checksum is wrong, so some letter is.", { hint: "Type it again with the codes: they tell in which line." });
}
