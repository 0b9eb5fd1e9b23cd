import { closeSync, fchownSync, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import type { RunAs } from "../../lib/process.ts";
import { type StagedFile, StagedWrites } from "./staged-writes.ts";
import type { StreamSink } from "./xbstream.ts";

/** What mbstream gives files and directories. */
const FILE_MODE = 0o660;
const FOLDER_MODE = 0o700;

/**
 * Writes the files of a stream below a directory, each byte at its own place. It blocks, so it belongs on a thread of its
 * own: bytes are then written while the cache still holds them from their check, which takes half the time. The directory
 * must be empty and closed to others until `finish` is done: nobody can then put a link in the way.
 */
export class StreamFiles implements StreamSink {
  readonly #dir: string;
  readonly #owner: RunAs | undefined;
  readonly #writes = new StagedWrites();
  /** By path. */
  readonly #open = new Map<string, StagedFile>();
  readonly #folders = new Set<string>();

  constructor(dir: string, owner: RunAs | undefined) {
    this.#dir = dir;
    this.#owner = owner;
  }

  begin(path: string): void {
    const full = join(this.#dir, path);
    this.#makeFolder(dirname(full));
    const file = openSync(full, "wx", FILE_MODE);
    this.#open.set(path, { file });
    if (this.#owner !== undefined) fchownSync(file, this.#owner.uid, this.#owner.gid);
  }

  data(path: string, bytes: Uint8Array, fileOffset: number): void {
    this.#writes.write(this.#file(path), bytes, fileOffset);
  }

  end(path: string): void {
    const file = this.#file(path);
    this.#writes.end(file);
    this.#open.delete(path);
  }

  /** Everything is written and closed; gives the directories to their owner. */
  finish(): void {
    this.#writes.release();
    const owner = this.#owner;
    if (owner === undefined) return;
    // The inner ones first: once a folder is given away, its new owner may change what is in it.
    const folders = [...this.#folders].sort((a, b) => b.length - a.length);
    for (const folder of [...folders, this.#dir]) giveFolder(folder, owner);
  }

  /** Closes what is open after a failure; throws nothing. */
  abandon(): void {
    for (const file of this.#open.values()) {
      try {
        this.#writes.close(file);
      } catch {
        // The first failure is the one to tell of.
      }
    }
    this.#open.clear();
    this.#writes.release();
  }

  #file(path: string): StagedFile {
    const file = this.#open.get(path);
    if (file === undefined) throw new Error(`${path} is not open`);
    return file;
  }

  #makeFolder(path: string): void {
    if (path === this.#dir || this.#folders.has(path)) return;
    this.#makeFolder(dirname(path));
    mkdirSync(path, { mode: FOLDER_MODE });
    this.#folders.add(path);
  }
}

function giveFolder(path: string, { uid, gid }: RunAs): void {
  const folder = openSync(path, "r");
  try {
    fchownSync(folder, uid, gid);
  } finally {
    closeSync(folder);
  }
}
