import type { Readable } from "node:stream";
import type { z } from "zod";
import type { Log } from "../lib/log.ts";
import type { RunAs } from "../lib/process.ts";
import type { BackupIndex, IndexedFile, ObjectDigest, ServerDetails, TableCount } from "../model/backup-index.ts";
import type { ProbeReport } from "../model/instance.ts";
import type { LogGroup } from "../model/log-groups.ts";
import type { BackupFacts } from "../model/manifest.ts";
import type { BackupOrder, ShippedPiece } from "../model/job.ts";
import type { Assertion } from "../model/policy.ts";
import type { LogPosition } from "../model/position.ts";

/** Everything an engine may use of its surroundings. */
export interface EngineContext {
  /** Name and id of the instance, for messages and for the marker row. */
  readonly instance: { readonly id: string; readonly name: string };
  /** Checked against the engine's `options`; null on a machine that restores and verifies and reaches no server. */
  readonly connection: unknown;
  /** A directory of this attempt alone: empty at the start, removed at the end, short enough for a Unix socket. */
  readonly scratchDir: string;
  /** Account for throwaway servers when we are root; undefined otherwise. */
  readonly sandboxUser: RunAs | undefined;
  readonly log: Log;
}

/** A running backup: read `stream` to its end, then ask for the rest. */
export interface BackupSource {
  readonly format: string;
  /** The tool's output, already seen by the inspector. It fails instead of ending unless every process ended well, the tool's log is free of errors and the stream was whole. */
  readonly stream: Readable;
  /** Estimate of the stream's length, for progress; null when unknown. */
  readonly expectedBytes: number | null;
  /** How much change log the server keeps before it writes it over, and the setting that says so: a backup held back for longer than that lasts is lost. */
  readonly redo?: { readonly capacityBytes: number; readonly setting: string } | null;
  /** Phase words from the tool's log ("copying", "locked", "redo"). */
  phase(): string;
  /** Call after the stream ended. */
  facts(): Promise<{ facts: BackupFacts; files: IndexedFile[]; server: ServerDetails }>;
}

/** A piece of log as it was read from the server: whole groups, checksums checked. */
export interface LogPiece {
  readonly kind: "tail" | "segment";
  readonly file: string;
  readonly startPosition: number;
  readonly endPosition: number;
  readonly closesFile: boolean;
  /** Plain bytes [startPosition, endPosition) of `file`. */
  readonly bytes: Uint8Array;
  readonly groups: LogGroup[];
  readonly gtidBefore: string;
  readonly gtidAfter: string;
  readonly dataIdentity: string;
  /** Ids of pieces this one replaces (a segment and its tails). */
  readonly replaces: string[];
  /** The follower forgets nothing before this is called with the id under which the piece was committed. */
  committed(segmentId: string): void;
}

export interface FollowRequest {
  readonly shipEveryMs: number;
  readonly mergeBytes: number;
  readonly shipped: readonly ShippedPiece[];
  readonly startAt: LogPosition | null;
  readonly dataIdentity: string | null;
}

/** A prepared data directory with a throwaway server on it: no network, no replication, no events. */
export interface Sandbox {
  readonly socket: string;
  readonly pid: number;
  /** Replays whole log files (already cut at the stop place) from `start`; one process over all. Gives what it could tell of the end. */
  replay(logFiles: readonly string[], start: LogPosition, stop: { file: string; position: number }, signal: AbortSignal): Promise<void>;
  objectDigests(): Promise<ObjectDigest[]>;
  rowCounts(tables: readonly { schema: string; table: string }[] | "all"): Promise<TableCount[]>;
  /** `schema.table: message` of every table that CHECK TABLE does not call OK. */
  checkTables(signal: AbortSignal): Promise<string[]>;
  /** Runs an owner's assertion; null when it holds, else what came instead. */
  assertion(check: Assertion): Promise<string | null>;
  /** Value of the marker row, null when there is none. */
  heartbeat(): Promise<string | null>;
  /** Writes one table as SQL that loads into an empty server. */
  dumpTable(table: { schema: string; table: string }, sqlPath: string, signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/** A server on restored data that may be kept. */
export interface ServedServer {
  readonly socket: string;
  readonly pid: number;
  readonly user: string;
  /** Lets it live on after this process, or ends it. Until then it dies with this process: nobody would know of it. */
  readonly settle: (isKept: boolean) => void;
}

export interface Unpacked {
  /** Directory that holds the extracted stream. */
  readonly dir: string;
  readonly kind: "full" | "incremental";
  readonly facts: BackupFacts;
  readonly index: BackupIndex;
}

/** One table wanted out of a chain, without the rest. */
export interface TableRequest {
  readonly table: { readonly schema: string; readonly table: string };
  /** Full first. */
  readonly chain: readonly Omit<Unpacked, "dir">[];
  /** Whole log files in order, the last cut at the stop place; null when no log is replayed. */
  readonly log: { readonly files: readonly string[]; readonly start: LogPosition; readonly stop: { file: string; position: number } } | null;
  /** Reads these files out of the n-th backup of the chain and writes each under its `path` into the directory. */
  extract(number: number, files: readonly { readonly file: IndexedFile; readonly path: string }[], dir: string): Promise<void>;
  /** Runs one step of the work and measures it. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>;
}

/**
 * One kind of database. To add one: a folder beside this file and one line in index.ts.
 * Credentials never stand on a command line; tools are started with lib/process.ts.
 */
export interface Engine {
  readonly kind: string;
  readonly title: string;
  /** Schema of `connection` in the configuration. */
  readonly options: z.ZodType;
  probe(context: EngineContext, options: { heartbeat: boolean }, signal: AbortSignal): Promise<ProbeReport>;
  /** Refuses with CHAIN_BROKEN or LINEAGE_CHANGED when an incremental does not fit its parent. */
  startBackup(context: EngineContext, order: Pick<BackupOrder, "backupKind" | "parent" | "rowCounts" | "heartbeat" | "lockMaxMs">, signal: AbortSignal): Promise<BackupSource>;
  /** Follows the server's log until the signal ends it: reconnects, never skips. Throws LOG_PURGED or LINEAGE_CHANGED when it cannot go on. */
  followLog(context: EngineContext, request: FollowRequest, signal: AbortSignal): AsyncIterable<LogPiece>;
  /** Extracts one backup's plain stream into an empty directory; STREAM_DAMAGED when it is not whole. The memory of the stream's pieces is given back. */
  unpack(context: EngineContext, stream: Readable, dir: string, signal: AbortSignal): Promise<void>;
  /** Makes the full a consistent data directory by applying the incrementals in order; compares the result with the indexes. Gives findings as sentences, empty when all is well. */
  prepare(context: EngineContext, chain: readonly Unpacked[], signal: AbortSignal): Promise<string[]>;
  /** Starts a throwaway server on a prepared directory. */
  startSandbox(context: EngineContext, dataDir: string, signal: AbortSignal): Promise<Sandbox>;
  /**
   * Starts a throwaway server that holds one table as it was at the end of the log, and of the rest only what that table
   * needs. Throws NOT_FOUND when there is no such table, and REFUSED or any other error when it cannot vouch for the
   * result: the caller then restores the whole. An engine without it always restores the whole.
   */
  startTableSandbox?(context: EngineContext, request: TableRequest, signal: AbortSignal): Promise<Sandbox>;
  /** Starts a server on a restored directory, to be left running after this process has ended; reachable by a socket in the directory only. */
  serve(context: EngineContext, dataDir: string, signal: AbortSignal): Promise<ServedServer>;
  /** Loads an SQL file into another server, given in this engine's connection form; the schema is made when it is missing. */
  loadSql(context: EngineContext, target: { connection: unknown; schema: string }, sqlPath: string, signal: AbortSignal): Promise<void>;
  /** Versions of the tools this engine would use, by name, and notes on what is missing or does not match. */
  tools(context: EngineContext): Promise<Record<string, string>>;
}

export function defineEngine(engine: Engine): Engine {
  return engine;
}
