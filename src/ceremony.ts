import { open, readFile, stat } from "node:fs/promises";
import { generateKeyPair, type KeyPair, parseIdentities } from "./keys/identities.ts";
import { identityOfLines, isWholeIdentity, type PaperLine, paperLines, paperLineText, readPaperLine, squeezed } from "./keys/paper-identity.ts";
import { HoldfastError, isHoldfastError } from "./lib/errors.ts";
import { answerOf, type Terminal } from "./terminal.ts";

export interface CeremonyOptions {
  readonly terminal: Terminal;
  /** A printer's device or a named pipe in the place of the screen. */
  readonly printer: string | undefined;
  /** A file, on a medium that is taken away, from which the identity comes back; it is typed unless this is there. */
  readonly from: string | undefined;
  readonly signal: AbortSignal;
}

const TRIES = 3;
/** Screen and what was scrolled away. */
const CLEAR = "\u001b[2J\u001b[3J\u001b[H";

/**
 * Makes a pair whose identity is kept away from every machine: shows it once, takes it away, asks for it, and tells the
 * recipient only when it came back. The identity is never written to a disk. REFUSED when it did not come back: then
 * there is no pair.
 */
export async function keyCeremony(options: CeremonyOptions): Promise<{ recipient: string }> {
  const { terminal, signal } = options;
  await refuseFiles(options);
  const pair = await generateKeyPair();
  const lines = paperLines(pair.identity);
  try {
    await show(options, sheetOf(lines));
    const isTyped = options.from === undefined;
    if (terminal.isScreen || !isTyped) {
      terminal.write(isTyped ? "\nPress Enter when it is on paper, and nowhere else. The screen is cleared, and you are asked for it.\n" : `\nPress Enter when it is in ${options.from ?? ""}.\n`);
      if ((await terminal.readLine(signal)) === null) throw notKept("nothing more was typed");
    }
    if (terminal.isScreen) terminal.write(CLEAR);
    await prove(pair, options.from === undefined ? await typedBack(lines, options) : await readBack(options.from));
    return { recipient: pair.recipient };
  } finally {
    if (terminal.isScreen) terminal.write(CLEAR);
    terminal.close();
  }
}

function sheetOf(lines: readonly PaperLine[]): string {
  const rows = lines.map((line) => `    ${paperLineText(line)}`);
  return [
    "",
    "An age identity. Whoever has it can read every backup that is sealed to its recipient.",
    "Before the first line stands AGE-SECRET-KEY-1; behind each = stands a code that checks its line.",
    "",
    ...rows,
    "",
    "There is no letter O, I or B and no digit 1 in these lines: 0 is zero, L and J are letters.",
    "",
  ].join("\n");
}

async function show({ terminal, printer }: CeremonyOptions, sheet: string): Promise<void> {
  if (printer === undefined) {
    terminal.write(sheet);
    return;
  }
  const device = await open(printer, "w");
  try {
    await device.writeFile(`${sheet}\f`);
  } finally {
    await device.close();
  }
  terminal.write(`The identity went to ${printer}.\n`);
}

/** What is written to a file stays on its disk, also when the file is deleted. */
async function refuseFiles({ terminal, printer }: CeremonyOptions): Promise<void> {
  const hint = "Run it on a terminal, or name a printer's device with --printer.";
  if (printer === undefined) {
    if (terminal.isFile) throw new HoldfastError("REFUSED", "What this command shows would go to a file: the identity must not stay on a disk.", { hint });
    return;
  }
  const entry = await stat(printer).catch((cause: unknown) => {
    throw new HoldfastError("INPUT_INVALID", `There is no printer ${printer}: ${(cause as Error).message}.`, { cause, hint });
  });
  if (!entry.isCharacterDevice() && !entry.isFIFO()) throw new HoldfastError("REFUSED", `${printer} is neither a device nor a pipe: the identity must not stay on a disk.`, { hint });
}

async function typedBack(lines: readonly PaperLine[], options: CeremonyOptions): Promise<string> {
  options.terminal.write("Type it back from the paper, line by line; number, spaces and code may be left out.\n");
  const texts: string[] = [];
  for (const line of lines) {
    const typed = await oneLine(line, options);
    if (isWholeIdentity(typed)) return squeezed(typed);
    texts.push(typed);
  }
  return identityOfLines(texts);
}

/** A person may mistype; a program that gives a wrong line will give it again. */
async function oneLine(line: PaperLine, { terminal, signal }: CeremonyOptions): Promise<string> {
  for (let tries = terminal.isScreen ? TRIES : 1; ; tries -= 1) {
    terminal.write(`line ${String(line.number)}: `);
    const typed = await answerOf(terminal, signal).catch((error: unknown) => {
      throw isHoldfastError(error, "INPUT_INVALID") ? notKept("nothing more was typed") : error;
    });
    if (line.number === 1 && isWholeIdentity(typed)) return typed;
    try {
      if (readPaperLine(line.number, typed) === line.text) return line.text;
      throw new HoldfastError("INPUT_INVALID", `Line ${String(line.number)} is not the one that was shown.`);
    } catch (error) {
      if (!isHoldfastError(error, "INPUT_INVALID")) throw error;
      if (tries <= 1) throw notKept(error.message);
      terminal.write(`${error.message} Once more, please.\n`);
    }
  }
}

async function readBack(path: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw notKept(`${path} cannot be read: ${(cause as Error).message}`);
  });
  const [pair] = await parseIdentities(path, text);
  return pair?.identity ?? "";
}

async function prove(pair: KeyPair, identity: string): Promise<void> {
  if (identity === pair.identity) return;
  throw notKept("what came back is another identity");
}

function notKept(why: string): HoldfastError {
  return new HoldfastError("REFUSED", `The identity did not come back: ${why.replace(/\.$/, "")}. No pair was made.`, { hint: "Destroy what was written down, and begin anew." });
}
