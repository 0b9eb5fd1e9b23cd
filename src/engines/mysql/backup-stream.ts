import { Readable } from "node:stream";
import { HoldfastError } from "../../lib/errors.ts";
import { handOverChunks } from "../../lib/give-back.ts";
import { onGivenUp } from "../../lib/given-up.ts";
import { requireSuccess, startTool, type Tool } from "../../lib/process.ts";
import type { IndexedFile } from "../../model/backup-index.ts";
import { watchLock } from "./lock-watch.ts";
import { followToolLog, type ToolLog } from "./tool-log.ts";
import { requireWholeBackup } from "./whole-backup.ts";
import { inspectStream } from "./xbstream.ts";

export interface WatchedStream {
  /** The tool's output, passed on without a copy. Fails instead of ending unless everything was well. */
  readonly stream: Readable;
  phase(): string;
  /** What was in it; null until it has ended well. */
  files(): IndexedFile[] | null;
}

export interface StreamSpec {
  readonly file: string;
  readonly args: readonly string[];
  readonly signal: AbortSignal;
  /** How long the tool may make others wait for its lock; null for ever. */
  readonly lockMaxMs: number | null;
  /** Last word before the stream may end: throws when what was made is not what was ordered. */
  readonly check: () => Promise<void>;
}

/** Of 64 KiB, passed on one by one: whoever reads a stream of bytes gets all that wait joined into a copy. */
const CHUNKS_WAITING = 4;
const KILL_AFTER_MS = 5_000;

/**
 * Runs mariadb-backup and watches its three witnesses: exit code, log and stream. One of them alone is not believed:
 * the tool has been seen to say "completed OK!" over missing redo (PXB-3606).
 */
export function watchBackup(spec: StreamSpec): WatchedStream {
  const log = followToolLog();
  const lock = watchLock(spec.lockMaxMs);
  const signal = AbortSignal.any([spec.signal, lock.signal]);
  const onStderrLine = (line: string): void => {
    log.line(line);
    lock.look(log.blocking());
  };
  const tool = startTool({ file: spec.file, args: spec.args, signal, killAfterMs: KILL_AFTER_MS, onStderrLine });
  void tool.exited.then(() => lock.stop());
  let files: IndexedFile[] | null = null;
  const chunks = watched({ tool, log, check: spec.check, signal }, (found) => {
    files = found;
  });
  // Whoever gives the stream up must not leave a tool behind that holds backup locks, be it one that hangs.
  const stream = onGivenUp(Readable.from(chunks, { objectMode: true, highWaterMark: CHUNKS_WAITING }), () => {
    if (files === null) stop(tool);
  });
  return { stream: handOverChunks(stream), phase: () => log.phase(), files: () => files };
}

async function* watched(run: { tool: Tool; log: ToolLog; check: () => Promise<void>; signal: AbortSignal }, done: (files: IndexedFile[]) => void): AsyncGenerator<Uint8Array> {
  const { tool, log, check, signal } = run;
  const inspector = inspectStream();
  let ended = false;
  try {
    for await (const bytes of tool.stdout as AsyncIterable<Uint8Array>) {
      inspector.write(bytes);
      yield bytes;
    }
    const exit = await tool.exited;
    ended = true;
    requireSuccess(tool, exit, signal);
    const fault = log.fault();
    if (fault !== null) throw new HoldfastError("TOOL_FAILED", `${tool.name} ended with exit code 0, but ${fault}.`, { hint: "Do not trust this backup; read the tool's own message and run it again." });
    const files = inspector.end();
    requireWholeBackup(files);
    await check();
    done(files);
  } catch (error) {
    throw withRedoHint(error);
  } finally {
    if (!ended) {
      stop(tool);
      // The stream closes when this is over: whoever waits for that waits for the tool, which may take a while to end.
      await tool.exited;
    }
  }
}

/** The log was written over before it was copied: the remedy is the server's, not ours. */
function withRedoHint(error: unknown): unknown {
  if (!(error instanceof HoldfastError) || error.code !== "TOOL_FAILED") return error;
  if (!/Was only able to copy log from|log block numbers mismatch|checkpoint age|increas\w+ (?:the )?innodb_log_file_size/i.test(error.message)) return error;
  return new HoldfastError("TOOL_FAILED", error.message, { cause: error, hint: "The server wrote its redo log over before it was copied: raise innodb_log_file_size, speed up the repository, or back up in a quieter hour." });
}

function stop(tool: Tool): void {
  tool.kill("SIGTERM");
  const timer = setTimeout(() => {
    tool.kill("SIGKILL");
  }, KILL_AFTER_MS);
  void tool.exited.then(() => {
    clearTimeout(timer);
  });
}
