import type { Readable } from "node:stream";
import type { Clock } from "../lib/clock.ts";
import type { ErrorCode } from "../lib/errors.ts";
import type { Log } from "../lib/log.ts";
import type { RunAs } from "../lib/process.ts";
import type { ReadObject } from "../model/check.ts";
import type { Order, PieceReport, Progress } from "../model/job.ts";
import type { Engine } from "../engines/engine.ts";

/** How much a backup may hold between the tool and the repository. */
export interface Buffers {
  /** Memory for what is being filled, sealed and uploaded. */
  readonly bufferBytes: number;
  /** Disk behind it; 0 means none: a slow repository holds the tool back. */
  readonly spoolBytes: number;
  /** A directory of this attempt alone; made when it is needed, removed by the job. */
  readonly spoolDir: string;
}

/** One run of a hook; `error` is what the attempt failed with, null when its backup is stored. */
export type HookCall = { readonly hook: string } & ({ readonly when: "before" } | { readonly when: "after"; readonly error: ErrorCode | null });

/** What a job may ask of the world; the agent provides it. A job knows neither queue nor catalog nor server. */
export interface JobPorts {
  readonly order: Order;
  readonly engine: Engine;
  /** Aborts on cancel, lost lease or shutdown. */
  readonly signal: AbortSignal;
  /** Empty directory of this attempt; removed afterwards. */
  readonly scratchDir: string;
  readonly buffers: Buffers;
  readonly sandboxUser: RunAs | undefined;
  readonly log: Log;
  readonly clock: Clock;
  /** Stores one object under the attempt's prefix: grant, write, retry when the error says so. `signal` may end it before the job ends. */
  put(object: { name: string; sizeBytes: number; sha256: string; chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array> }, signal?: AbortSignal): Promise<void>;
  /** Reads an object that the order names, whole or [start, end). */
  get(key: string, range?: { start: number; end: number }): Promise<Readable>;
  /** File key of an object that the order names, from the keyholder. */
  openHeader(key: string, header: Uint8Array): Promise<Uint8Array>;
  /** Commits a stored piece of log. */
  reportPiece(piece: PieceReport): Promise<void>;
  /** Keeps what a check has read: what was reported is not read again by its next attempt. Works once more after `signal`. */
  reportRead(objects: readonly ReadObject[]): Promise<void>;
  /**
   * Runs a hook of this machine's own file to its end; HOOK_FAILED when it did not end well or in time. One before the
   * backup is ended by `signal`, with its reason; one after it by its timeout alone, and its failure is told with the
   * attempt's outcome, whatever that is.
   */
  runHook(call: HookCall): Promise<void>;
  /** A fresh id given by the server side; for names of log pieces. */
  newId(): string;
  /** Calls back once the attempt has ended: true when the server has taken its result as the job's, false when it came to nothing. */
  onEnd(settle: (isTaken: boolean) => void): void;
  /** Shown to people; cheap, call often. */
  progress(progress: Progress): void;
}
