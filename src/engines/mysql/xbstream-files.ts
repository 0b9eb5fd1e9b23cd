import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { giveBack } from "../../lib/give-back.ts";
import type { RunAs } from "../../lib/process.ts";
import type { StreamSink } from "./xbstream.ts";

/** What mbstream gives files and directories. */
const FILE_MODE = 0o660;
const FOLDER_MODE = 0o700;

interface OpenFile {
  readonly handle: Promise<FileHandle>;
  readonly writes: Promise<void>[];
}

/**
 * Writes the files of a stream below a directory, each byte at its own place, so that many writes can be under way. The
 * directory must be empty and closed to others until `finish` is done: nobody can then put a link in the way.
 */
export class StreamFiles implements StreamSink {
  readonly #dir: string;
  readonly #owner: RunAs | undefined;
  readonly #files = new Map<string, OpenFile>();
  /** Writes since the last `giveBackWhenWritten`. */
  #fresh: Promise<void>[] = [];
  readonly #folders = new Map<string, Promise<void>>();
  /** Every step that was begun; settled ones leave. */
  readonly #steps = new Set<Promise<void>>();
  #waitingBytes = 0;
  #fault: { readonly error: unknown } | null = null;
  #wake: (() => void) | null = null;

  constructor(dir: string, owner: RunAs | undefined) {
    this.#dir = dir;
    this.#owner = owner;
  }

  begin(path: string): void {
    const handle = this.#create(path);
    // Whoever needs it awaits it below; until then a rejection must not count as unhandled.
    handle.catch(() => undefined);
    this.#files.set(path, { handle, writes: [] });
  }

  data(path: string, bytes: Uint8Array, fileOffset: number): void {
    const file = this.#file(path);
    this.#waitingBytes += bytes.byteLength;
    const write = file.handle.then((handle) => writeAll(handle, bytes, fileOffset)).finally(() => (this.#waitingBytes -= bytes.byteLength));
    file.writes.push(write);
    this.#fresh.push(write);
    this.#follow(write);
  }

  end(path: string): void {
    const { handle, writes } = this.#file(path);
    this.#files.delete(path);
    this.#follow(closeAfter(handle, writes));
  }

  /** The stream's bytes until here are written from this memory, which nobody needs afterwards. */
  giveBackWhenWritten(bytes: Uint8Array): void {
    const writes = this.#fresh;
    this.#fresh = [];
    this.#follow(Promise.allSettled(writes).then(() => giveBack(bytes)));
  }

  /** Resolves when at most so much is still to be done; throws what went wrong first. */
  async settled(limit: { readonly bytes: number; readonly steps: number }): Promise<void> {
    while (this.#waitingBytes > limit.bytes || this.#steps.size > limit.steps) {
      if (this.#fault !== null) throw this.#fault.error;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#fault !== null) throw this.#fault.error;
  }

  /** Everything is written and closed, and the directories have their owner. */
  async finish(): Promise<void> {
    await this.settled({ bytes: 0, steps: 0 });
    await this.#giveFolders();
  }

  /** Closes what is open after a failure; throws nothing. */
  async abandon(): Promise<void> {
    const left = [...this.#files.values()].map(({ handle, writes }) => closeAfter(handle, writes));
    this.#files.clear();
    await Promise.allSettled([...left, ...this.#steps]);
  }

  #file(path: string): OpenFile {
    const file = this.#files.get(path);
    if (file === undefined) throw new Error(`${path} is not open`);
    return file;
  }

  async #create(path: string): Promise<FileHandle> {
    const full = join(this.#dir, path);
    await this.#folder(dirname(full));
    const handle = await open(full, "wx", FILE_MODE);
    if (this.#owner === undefined) return handle;
    try {
      await handle.chown(this.#owner.uid, this.#owner.gid);
      return handle;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  #folder(path: string): Promise<void> {
    if (path === this.#dir) return Promise.resolve();
    const known = this.#folders.get(path);
    if (known !== undefined) return known;
    const made = this.#folder(dirname(path)).then(() => mkdir(path, { mode: FOLDER_MODE }));
    this.#folders.set(path, made);
    return made;
  }

  async #giveFolders(): Promise<void> {
    const owner = this.#owner;
    if (owner === undefined) return;
    // The inner ones first: once a folder is given away, its new owner may change what is in it.
    const folders = [...this.#folders.keys()].sort((a, b) => b.length - a.length);
    for (const folder of [...folders, this.#dir]) await giveFolder(folder, owner);
  }

  #follow(step: Promise<void>): void {
    const followed: Promise<void> = step
      .catch((error: unknown) => {
        this.#fault ??= { error };
      })
      .finally(() => {
        this.#steps.delete(followed);
        this.#wake?.();
        this.#wake = null;
      });
    this.#steps.add(followed);
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, fileOffset: number): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done, fileOffset + done);
    done += bytesWritten;
  }
}

async function closeAfter(opening: Promise<FileHandle>, writes: readonly Promise<void>[]): Promise<void> {
  const handle = await opening;
  const results = await Promise.allSettled(writes);
  await handle.close();
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

async function giveFolder(path: string, { uid, gid }: RunAs): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.chown(uid, gid);
  } finally {
    await folder.close();
  }
}
