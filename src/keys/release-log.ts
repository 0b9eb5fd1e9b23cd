import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { HoldfastError } from "../lib/errors.ts";
import { syncFolder } from "../lib/folders.ts";
import { writeAll } from "../lib/write-all.ts";

/** The end of a release log: how many entries it has, the hash of the last one's line and its time. */
export interface LogHead {
  readonly number: number;
  /** SHA-256 (hex) of the last line without its line feed; of nothing for an empty log. */
  readonly sha256: string;
  /** Null for an empty log. */
  readonly at: string | null;
}

/** What must stand in a log that was seen before. */
export type SeenEntry = Pick<LogHead, "number" | "sha256">;

export interface ReleaseLog {
  readonly head: LogHead;
  /** Resolves when the entry is on disk. STORAGE_FULL and the like when it is not: then nothing may be released. */
  append(entry: Readonly<Record<string, unknown>>): Promise<void>;
  close(): Promise<void>;
}

interface Waiting {
  readonly entry: Readonly<Record<string, unknown>>;
  readonly written: () => void;
  readonly failed: (error: unknown) => void;
}

const LINE_FEED = 0x0a;
const LINE_LIMIT_BYTES = 64 * 1024;
const READ_BYTES = 1024 * 1024;
const sha256Of = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");
const EMPTY: LogHead = { number: 0, sha256: sha256Of(""), at: null };

/**
 * A file to which lines are only added, one JSON document each, with its number and the hash of the line before it.
 * Nothing is ever removed: a line that a kill cut short stays, and the entry after it says so. RECORD_BROKEN when the
 * chain does not hold from the first line to the last, or does not hold what was `seen` in it.
 */
export async function openReleaseLog(path: string, options: { now: () => string; seen?: SeenEntry | undefined }): Promise<ReleaseLog> {
  const opened = await openFile(path, options);
  let { file, head } = opened;
  let waiting: Waiting[] = [];
  let isWriting = false;
  let isDoubtful = false;
  let failure: HoldfastError | undefined;

  const write = async (batch: readonly Waiting[]): Promise<void> => {
    if (failure !== undefined) throw failure;
    if (isDoubtful) {
      await file.close();
      ({ file, head } = await openFile(path, { ...options, seen: head }));
      isDoubtful = false;
    }
    let next = head;
    const lines: string[] = [];
    for (const { entry } of batch) {
      const line = JSON.stringify({ number: next.number + 1, at: options.now(), ...entry, previous: next.sha256 });
      next = { number: next.number + 1, sha256: sha256Of(line), at: options.now() };
      lines.push(`${line}\n`);
    }
    // Until it is known to be there, nobody can say what of it is.
    isDoubtful = true;
    await writeAll(file, Buffer.from(lines.join("")));
    // What could not be made durable may look written ever after: only a person can say what is true.
    await file.datasync().catch((error: unknown) => {
      failure = new HoldfastError("STORAGE_FAILED", `The release log ${path} cannot be made durable: ${(error as Error).message}.`, { cause: error, hint: "Look after its disk, then start the keyholder again." });
      throw failure;
    });
    isDoubtful = false;
    head = next;
  };
  const writeWaiting = async (): Promise<void> => {
    if (isWriting) return;
    isWriting = true;
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      await write(batch).then(
        () => batch.forEach(({ written }) => written()),
        (error: unknown) => batch.forEach(({ failed }) => failed(error)),
      );
    }
    isWriting = false;
  };
  return {
    get head() {
      return head;
    },
    append: (entry) =>
      new Promise((written, failed) => {
        waiting.push({ entry, written, failed });
        void writeWaiting();
      }),
    close: () => file.close(),
  };
}

async function openFile(path: string, options: { now: () => string; seen?: SeenEntry | undefined }): Promise<{ file: FileHandle; head: LogHead }> {
  const file = await open(path, "a+", 0o600);
  try {
    await syncFolder(dirname(path));
    const { head, rest } = await follow(file, path, options.seen);
    if (rest === null) return { file, head };
    if (entryOf(rest) !== null) {
      // Only its line feed is missing.
      await file.writeFile("\n");
      return { file, head: (await follow(file, path, options.seen)).head };
    }
    const line = JSON.stringify({ number: head.number + 1, at: options.now(), event: "cut", bytes: rest.byteLength, previous: sha256Of(rest) });
    await writeAll(file, Buffer.from(`\n${line}\n`));
    await file.datasync();
    return { file, head: { number: head.number + 1, sha256: sha256Of(line), at: options.now() } };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Reads a log from its first line to its last. RECORD_BROKEN names the first entry that does not fit, or misses the one with the hash `mustHold`. */
export async function checkReleaseLog(path: string, mustHold?: string): Promise<LogHead> {
  const file = await open(path, "r").catch((cause: unknown) => {
    throw new HoldfastError("NOT_FOUND", `The release log ${path} cannot be read: ${(cause as Error).message}.`, { cause, hint: "It is `releases.jsonl` in the keyholder's state directory." });
  });
  try {
    let isThere = mustHold === undefined;
    const { head } = await follow(file, path, undefined, ({ sha256 }) => (isThere ||= sha256 === mustHold));
    if (isThere) return head;
    throw new HoldfastError("RECORD_BROKEN", `No entry of the release log ${path} has the hash ${String(mustHold)}: entries were taken away, or it is another log.`);
  } finally {
    await file.close();
  }
}

/** `rest` is what stands after the last line feed; null for nothing. */
async function follow(file: FileHandle, path: string, seen: SeenEntry | undefined, look?: (head: LogHead) => void): Promise<{ head: LogHead; rest: Buffer | null }> {
  let head = EMPTY;
  /** A line that a kill cut short: only an entry that says so may follow it. */
  let cut: Buffer | null = null;
  let rest: Buffer = Buffer.alloc(0);
  const take = (line: Buffer): void => {
    const entry = entryOf(line);
    if (entry === null && cut === null) {
      cut = line;
      return;
    }
    const previous = cut === null ? head.sha256 : sha256Of(cut);
    if (entry === null || entry.number !== head.number + 1 || entry.previous !== previous || (entry.event === "cut") !== (cut !== null)) throw broken(path, head);
    cut = null;
    head = { number: entry.number, sha256: sha256Of(line), at: entry.at };
    look?.(head);
    if (head.number === seen?.number && head.sha256 !== seen.sha256) throw broken(path, { ...head, number: head.number - 1 });
  };
  const buffer = Buffer.alloc(READ_BYTES);
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, READ_BYTES, position);
    if (bytesRead === 0) break;
    position += bytesRead;
    rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    for (let end = rest.indexOf(LINE_FEED); end >= 0; end = rest.indexOf(LINE_FEED)) {
      take(rest.subarray(0, end));
      rest = rest.subarray(end + 1);
    }
    if (rest.byteLength > LINE_LIMIT_BYTES) throw broken(path, head);
  }
  if (cut !== null) throw broken(path, head);
  if (head.number < (seen?.number ?? 0)) {
    throw new HoldfastError("RECORD_BROKEN", `The release log ${path} ends at entry ${String(head.number)}, and had ${String(seen?.number)} already.`);
  }
  return { head, rest: rest.byteLength === 0 ? null : Buffer.from(rest) };
}

function entryOf(line: Buffer): { number: number; at: string; event: unknown; previous: unknown } | null {
  try {
    const { number, at, event, previous } = JSON.parse(line.toString("utf8")) as Record<string, unknown>;
    return typeof number === "number" && typeof at === "string" ? { number, at, event, previous } : null;
  } catch {
    return null;
  }
}

function broken(path: string, { number }: Pick<LogHead, "number">): HoldfastError {
  return new HoldfastError("RECORD_BROKEN", `The release log ${path} is broken at entry ${String(number + 1)}: it does not follow the one before it.`);
}
