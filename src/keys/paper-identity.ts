import { createHash } from "node:crypto";
import { HoldfastError } from "../lib/errors.ts";

const PREFIX = "AGE-SECRET-KEY-1";
const LINE_LENGTH = 15;
const GROUP_LENGTH = 5;
const CODE_LENGTH = 3;
/** Lines of an X25519 identity. */
export const PAPER_LINES = 4;
/** The letters and digits that identities are written in: none that is easily taken for another. */
const LETTERS = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";

/** One line of an identity on paper: its number and its code tell a mistake from a right line while it is being typed. */
export interface PaperLine {
  readonly number: number;
  readonly text: string;
  readonly code: string;
}

/** What of an identity is to be kept on paper; `AGE-SECRET-KEY-1` stands before the first line and is no secret. */
export function paperLines(identity: string): PaperLine[] {
  const rest = identity.toUpperCase().slice(PREFIX.length);
  return Array.from({ length: Math.ceil(rest.length / LINE_LENGTH) }, (_, index) => {
    const text = rest.slice(index * LINE_LENGTH, (index + 1) * LINE_LENGTH);
    return { number: index + 1, text, code: codeOf(index + 1, text) };
  });
}

/** `1  QPZRY 9X8GF 2TVDW  = K7M` */
export function paperLineText({ number, text, code }: PaperLine): string {
  const groups = text.match(new RegExp(`.{1,${String(GROUP_LENGTH)}}`, "g")) ?? [];
  return `${String(number)}  ${groups.join(" ").padEnd(LINE_LENGTH + LINE_LENGTH / GROUP_LENGTH - 1)}  = ${code}`;
}

/** The identity whose lines these are. */
export function identityOfLines(texts: readonly string[]): string {
  return `${PREFIX}${texts.join("")}`;
}

/** True for a whole identity in one line, as a file or a scanner gives it. */
export function isWholeIdentity(typed: string): boolean {
  return squeezed(typed).startsWith(PREFIX);
}

export function squeezed(typed: string): string {
  return typed.replace(/\s/g, "").toUpperCase();
}

/**
 * The text of one line as somebody typed it: in any case, with or without its number, spaces and code. INPUT_INVALID
 * says what is wrong with it, as far as its code can tell: never what would be right.
 */
export function readPaperLine(number: number, typed: string): string {
  const [before = "", code] = typed.toUpperCase().split("=");
  const text = before.replace(new RegExp(`^\\s*${String(number)}[).:]?\\s+`), "").replace(/\s/g, "");
  const wrong = Array.from(text).find((letter) => !LETTERS.includes(letter));
  if (wrong !== undefined) throw refused(number, `${JSON.stringify(wrong)} stands in no identity`);
  if (code === undefined) return text;
  if (code.trim() !== codeOf(number, text)) throw refused(number, `its letters and its code do not go together`);
  return text;
}

function refused(number: number, why: string): HoldfastError {
  return new HoldfastError("INPUT_INVALID", `Line ${String(number)} was not typed as it is on paper: ${why}.`, { hint: "Look at the paper and type the line again." });
}

function codeOf(number: number, text: string): string {
  const hash = createHash("sha256").update(`holdfast-paper-1\n${String(number)}\n${text}`).digest();
  return Array.from({ length: CODE_LENGTH }, (_, index) => LETTERS[(hash[index] ?? 0) % LETTERS.length]).join("");
}
