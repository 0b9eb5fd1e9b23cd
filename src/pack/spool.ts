import { mkdir, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../lib/errors.ts";
import type { SealedPack } from "./contract.ts";
import { SpooledPack } from "./spooled-pack.ts";

export interface SpoolOptions {
  /** Made when it is first needed, removed by `close`. */
  readonly dir: string;
  /** Most bytes on disk; 0 means no spool: whoever fills the packs is held back instead. */
  readonly limitBytes: number;
  /** Brings one pack to the repository; retries inside. */
  readonly upload: (pack: Pick<SpooledPack, "name" | "sizeBytes" | "sha256" | "chunks">, signal: AbortSignal) => Promise<void>;
  /** The error to fail with when memory and spool are full; `isDiskFull` when it is the disk that is. */
  readonly exhausted: (isDiskFull: boolean) => HoldfastError;
  readonly signal: AbortSignal;
  /** How long the source may wait for memory before packs go to disk, and between two looks. Default 500 ms. */
  readonly graceMs?: number;
  /** Left free on the disk, where the catalog may lie too. Default 256 MiB. */
  readonly diskReserveBytes?: number;
  readonly onStored?: () => void;
  /** Told once, when the first pack goes to disk. */
  readonly onFirstSpill?: () => void;
}

/** As many as `writePacks` would run by itself. */
const UPLOADS_AT_ONCE = 2;
/** Below the one second in which mariadb-backup itself looks at the redo log (--log-copy-interval). */
const GRACE_MS = 500;
const DISK_RESERVE_BYTES = 256 * 1024 * 1024;

interface Held {
  readonly pack: SpooledPack;
  /** Settles when the pack's memory is free: it is stored, or on disk. */
  readonly free: PromiseWithResolvers<undefined>;
  isUploading: boolean;
  /** Its way to disk; null while it is in memory alone. */
  spilled: Promise<void> | null;
}

/**
 * Stands between sealing and the repository, so that a slow repository does not hold a hot backup back. Packs are
 * uploaded in order, from memory; when the source has to wait for the memory they hold, they go to disk and are uploaded
 * from there. While packs wait on disk, new ones line up behind them on disk at once. `store` and `memoryShort` are made
 * to be handed to `writePacks`, which then must run any number of stores at once.
 */
export class Spool {
  /** Aborts with the first thing that went wrong: an upload, the disk, a full spool, or the signal it was given. */
  readonly signal: AbortSignal;
  readonly #options: SpoolOptions;
  readonly #aborted = new AbortController();
  /** In the order in which the packs came. */
  readonly #held = new Set<Held>();
  readonly #running = new Set<Promise<void>>();
  #storedBytes = 0;
  #diskBytes = 0;
  #uploadsRunning = 0;
  #spillsRunning = 0;
  #timer: NodeJS.Timeout | undefined;
  #dir: Promise<unknown> | undefined;

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.signal = AbortSignal.any([options.signal, this.#aborted.signal]);
    this.signal.addEventListener("abort", () => this.#giveUp(), { once: true });
  }

  /** Bytes that have reached the repository. */
  get storedBytes(): number {
    return this.#storedBytes;
  }

  /** Bytes on disk now. */
  get diskBytes(): number {
    return this.#diskBytes;
  }

  /** Everything it was given is stored. */
  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  /** Takes a pack; resolves when its memory is free again, which does not mean that it is stored. */
  readonly store = async (sealed: SealedPack): Promise<void> => {
    this.signal.throwIfAborted();
    const held: Held = { pack: new SpooledPack(sealed), free: Promise.withResolvers<undefined>(), isUploading: false, spilled: null };
    const isBacklogOnDisk = [...this.#held].some(({ spilled, isUploading }) => spilled !== null && !isUploading);
    this.#held.add(held);
    if (isBacklogOnDisk) this.#spill(held);
    this.#startUploads();
    await held.free.promise;
  };

  /** Told when the source begins or ceases to wait for memory. */
  readonly memoryShort = (isShort: boolean): void => {
    clearTimeout(this.#timer);
    if (!isShort || this.signal.aborted || this.#options.limitBytes === 0) return;
    this.#timer = setTimeout(() => this.#makeRoom(), this.#options.graceMs ?? GRACE_MS);
  };

  /** Resolves when every pack is stored; rejects with what went wrong first. */
  async drained(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    this.signal.throwIfAborted();
  }

  /** Ends what still runs and removes everything from the disk. */
  async close(): Promise<void> {
    this.#fail(new HoldfastError("CANCELLED", "The spool was closed."));
    while (this.#running.size > 0) await Promise.all(this.#running);
    const isThere = await this.#dir?.then(() => true, () => false); // prettier-ignore
    if (isThere === true) await rm(this.#options.dir, { recursive: true, force: true });
  }

  #startUploads(): void {
    for (const held of this.#held) {
      if (this.signal.aborted || this.#uploadsRunning >= UPLOADS_AT_ONCE) return;
      if (!held.isUploading) this.#run(this.#upload(held));
    }
  }

  async #upload(held: Held): Promise<void> {
    held.isUploading = true;
    this.#uploadsRunning += 1;
    try {
      await this.#options.upload(held.pack, this.signal);
      this.#uploadsRunning -= 1;
      this.#storedBytes += held.pack.sizeBytes;
      // The file is being written from the pack's memory: that must have ended before the memory goes.
      await held.spilled;
      await held.pack.remove();
      this.#leave(held);
      this.#options.onStored?.();
      this.#startUploads();
    } catch (cause) {
      this.#fail(cause);
      await held.spilled?.catch(() => undefined);
      held.free.reject(this.signal.reason);
    }
  }

  #leave(held: Held): void {
    this.#held.delete(held);
    if (held.spilled !== null) this.#diskBytes -= held.pack.sizeBytes;
    held.free.resolve(undefined);
  }

  /** The source has waited long enough: whatever is in memory goes to disk as far as there is room. */
  #makeRoom(): void {
    const inMemory = [...this.#held].filter(({ spilled }) => spilled === null);
    const spilling = inMemory.filter((held) => this.#spill(held));
    // Packs on their way to disk free their memory in a moment; only where nothing moves is the end reached.
    if (inMemory.length > 0 && spilling.length === 0 && this.#spillsRunning === 0) this.#fail(this.#options.exhausted(false));
    this.memoryShort(true);
  }

  /** False when the spool has no room for it. */
  #spill(held: Held): boolean {
    if (this.#diskBytes + held.pack.sizeBytes > this.#options.limitBytes) return false;
    this.#diskBytes += held.pack.sizeBytes;
    held.spilled = this.#writeOut(held);
    this.#run(held.spilled.catch(() => undefined));
    return true;
  }

  async #writeOut(held: Held): Promise<void> {
    const { dir } = this.#options;
    const { pack } = held;
    this.#spillsRunning += 1;
    try {
      if (this.#dir === undefined) this.#options.onFirstSpill?.();
      await (this.#dir ??= mkdir(dir, { recursive: true, mode: 0o700 }));
      const { bavail, bsize } = await statfs(dir);
      if (bavail * bsize < pack.sizeBytes + (this.#options.diskReserveBytes ?? DISK_RESERVE_BYTES)) throw this.#options.exhausted(true);
      this.signal.throwIfAborted();
      await pack.spill(join(dir, pack.name), () => held.isUploading);
      held.free.resolve(undefined);
    } catch (cause) {
      this.#fail(this.#asSpoolError(cause));
      // An upload under way still uses the memory, and says itself when it has ended.
      if (!held.isUploading) held.free.reject(this.signal.reason);
      throw cause;
    } finally {
      this.#spillsRunning -= 1;
    }
  }

  #asSpoolError(cause: unknown): unknown {
    if (!(cause instanceof Error) || !("code" in cause) || cause instanceof HoldfastError) return cause;
    if (cause.code === "ENOSPC" || cause.code === "EDQUOT") return this.#options.exhausted(true);
    return new HoldfastError("STORAGE_FAILED", `The spool in ${this.#options.dir} cannot be written: ${cause.message}.`, { cause, hint: "Give `agent.spoolDir` a directory that this user may write to." });
  }

  #run(work: Promise<void>): void {
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  #fail(cause: unknown): void {
    if (!this.signal.aborted) this.#aborted.abort(cause);
  }

  /** What is under way ends by the signal; what waits in memory is given up here. */
  #giveUp(): void {
    clearTimeout(this.#timer);
    for (const { free, isUploading, spilled } of this.#held) {
      if (!isUploading && spilled === null) free.reject(this.signal.reason);
    }
  }
}
