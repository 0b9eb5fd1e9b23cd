import { type Clock, delay, systemClock } from "../../../lib/clock.ts";
import { asHoldfastError, HoldfastError, isHoldfastError } from "../../../lib/errors.ts";
import type { EngineContext, FollowRequest, LogPiece } from "../../engine.ts";
import { mysqlConnection, type MysqlConnection } from "../options.ts";
import { type Dump, dumpDir, startDump } from "./dump-tool.ts";
import { changed, FileReader } from "./file-reader.ts";
import { FileLedger } from "./ledger.ts";
import { readServerLog, requireReplication, type ServerLog } from "./log-server.ts";
import { ledgerToBegin, serverHasMore } from "./where-to-begin.ts";

const POLL_MS = 200;
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MOST_MS = 30_000;
const SHORT_RUN_MS = 10_000;
const SHORT_RUNS_MOST = 8;
/** How often a stream that says nothing is compared with the server's own list. */
const WATCH_EVERY_MS = 30_000;

/**
 * Follows the server's binary log from where the stored pieces end, for ever: reconnects, never skips. A piece holds at
 * most about `mergeBytes` and one group; a single group that is larger is a piece of its own. Each piece must be
 * `committed` before the next is asked for. Returns quietly when the signal aborts. Throws LOG_PURGED,
 * LINEAGE_CHANGED, DATABASE_LOGIN, PRIVILEGE_MISSING, DATABASE_UNSUITABLE or STREAM_DAMAGED when it cannot go on.
 */
export async function* followLog(context: EngineContext, request: FollowRequest, signal: AbortSignal, clock: Clock = systemClock): AsyncGenerator<LogPiece, void, undefined> {
  const follower = new Follower(context, request, { signal, clock });
  try {
    yield* follower.pieces();
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await follower.stop();
  }
}

class Follower {
  readonly #context: EngineContext;
  readonly #request: FollowRequest;
  readonly #connection: MysqlConnection;
  readonly #signal: AbortSignal;
  readonly #clock: Clock;
  #ledger: FileLedger | null;
  #dataIdentity: string | null;
  #dump: Dump | null = null;
  #runs = 0;
  #failures = 0;
  #shortRuns = 0;
  #watch: { atMs: number; bytes: number; behind: boolean } | null = null;
  #shippedAtMs = Number.NEGATIVE_INFINITY;

  constructor(context: EngineContext, request: FollowRequest, surroundings: { signal: AbortSignal; clock: Clock }) {
    this.#context = context;
    this.#request = request;
    this.#connection = mysqlConnection(context.connection);
    this.#signal = surroundings.signal;
    this.#clock = surroundings.clock;
    this.#ledger = FileLedger.of(request.shipped);
    this.#dataIdentity = request.dataIdentity;
  }

  /** One turn is one connection. */
  async *pieces(): AsyncGenerator<LogPiece, void, undefined> {
    for (;;) {
      this.#signal.throwIfAborted();
      const server = await this.#connect();
      const startedMs = this.#clock.monotonicMs();
      if (server !== null) {
        yield* this.#followConnection(server);
        this.#countRun(this.#clock.monotonicMs() - startedMs);
      }
      await this.stop();
      this.#failures += 1;
      await delay(Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** (this.#failures - 1)), this.#signal);
    }
  }

  /** A tool that ends at once, again and again, while the server answers, will not get better by itself. */
  #countRun(lastedMs: number): void {
    this.#shortRuns = lastedMs < SHORT_RUN_MS && this.#failures > 0 ? this.#shortRuns + 1 : 0;
    if (this.#shortRuns < SHORT_RUNS_MOST) return;
    const file = this.#ledger?.file ?? "the log";
    throw new HoldfastError("TOOL_FAILED", `mariadb-binlog has ended ${String(this.#shortRuns)} times while it read ${file}, without anything new: ${this.#dump?.tool.stderrTail().trim() ?? ""}`);
  }

  async stop(): Promise<void> {
    const dump = this.#dump;
    this.#dump = null;
    await dump?.stop();
  }

  /** Looks at the server and starts the tool; null when the server cannot be reached now. */
  async #connect(): Promise<ServerLog | null> {
    try {
      const server = await readServerLog(this.#connection, this.#signal);
      this.#checkIdentity(server);
      this.#ledger = ledgerToBegin(server, this.#ledger, this.#request.startAt);
      this.#runs += 1;
      this.#dump = await startDump(this.#connection, this.#ledger.file, { dir: dumpDir(this.#context.scratchDir, this.#runs), signal: this.#signal });
      return server;
    } catch (error) {
      this.#signal.throwIfAborted();
      if (!asHoldfastError(error).row.retry) throw error;
      this.#context.log.warn({ error: asHoldfastError(error).message }, "the server cannot be reached; its log is followed when it is back");
      return null;
    }
  }

  #checkIdentity(server: ServerLog): void {
    if (this.#dataIdentity !== null && this.#dataIdentity !== server.dataIdentity) {
      throw new HoldfastError("LINEAGE_CHANGED", `The server ${this.#context.instance.name} works on other data (${server.dataIdentity}) than the log that is stored (${this.#dataIdentity}).`);
    }
    this.#dataIdentity = server.dataIdentity;
  }

  /** Follows file after file until the tool ends. */
  async *#followConnection(server: ServerLog): AsyncGenerator<LogPiece, void, undefined> {
    const { dump, ledger } = this.#current();
    let next: FileLedger | null = ledger;
    while (next !== null) {
      this.#ledger = next;
      next = yield* this.#followFile(dump, next, server);
    }
    const exit = dump.ended();
    if (exit === null) return;
    if (exit.startError !== undefined || exit.code === 127) throw new HoldfastError("TOOL_MISSING", `mariadb-binlog could not be started: ${dump.tool.stderrTail()}`, { cause: exit.startError });
    if ((await dump.spool.sizeBytes(ledger.file)) === 0) await this.#requireReplication();
    this.#context.log.warn({ file: this.#ledger?.file, tool: dump.tool.stderrTail() }, "the connection that brought the log ended; it is made again");
  }

  /** A tool that brought nothing at all may lack the right to; when the server cannot be asked, that is found out later. */
  async #requireReplication(): Promise<void> {
    try {
      await requireReplication(this.#connection, this.#signal);
    } catch (error) {
      if (!isHoldfastError(error) || !error.row.retry) throw error;
    }
  }

  #current(): { dump: Dump; ledger: FileLedger } {
    if (this.#dump === null || this.#ledger === null) throw new HoldfastError("INTERNAL", "The log is followed without a connection.");
    return { dump: this.#dump, ledger: this.#ledger };
  }

  /** The pieces of one file. Gives the ledger of the next file, or null when the connection ended. */
  async *#followFile(dump: Dump, ledger: FileLedger, server: ServerLog): AsyncGenerator<LogPiece, FileLedger | null, undefined> {
    const reader = new FileReader(dump.spool, ledger, { gtidBefore: ledger.pieces.length === 0 ? ledger.gtidAfter : "", dataIdentity: server.dataIdentity });
    if (!(await this.#received(dump, ledger))) return null;
    await reader.verify();
    for (;;) {
      // Asked before reading: when the next file had begun by then, what can be read now is all there is.
      const [nextFile, exit] = [await dump.spool.fileAfter(ledger.file), dump.ended()];
      while (await reader.advance(this.#request.mergeBytes)) {
        this.#failures = 0;
        if (reader.unmergedBytes >= this.#request.mergeBytes) yield* this.#emit(await reader.segment(), ledger);
      }
      if (nextFile !== null) {
        const last = await reader.last();
        if (last !== null) yield* this.#emit(last, ledger);
        await dump.spool.removeFile(ledger.file);
        return FileLedger.empty(nextFile, ledger.gtidAfter);
      }
      if (reader.freshBytes > 0 && (exit !== null || this.#isDue())) yield* this.#emit(await reader.tail(), ledger);
      if (exit !== null) return null;
      if (await this.#isStalled(dump, ledger)) return null;
      await delay(Math.min(POLL_MS, this.#request.shipEveryMs), this.#signal);
    }
  }

  /** Waits until the spool holds what is already committed of the file; false when the connection ended before. */
  async #received(dump: Dump, ledger: FileLedger): Promise<boolean> {
    while ((await dump.spool.sizeBytes(ledger.file)) < ledger.shippedEnd) {
      const exit = dump.ended();
      const isComplete = (await dump.spool.fileAfter(ledger.file)) !== null;
      if ((await dump.spool.sizeBytes(ledger.file)) >= ledger.shippedEnd) break;
      if (isComplete) throw changed(ledger.file, `it ends before ${String(ledger.shippedEnd)}, up to where it is stored`);
      if (exit !== null) return false;
      if (await this.#isStalled(dump, ledger)) return false;
      await delay(POLL_MS, this.#signal);
    }
    return true;
  }

  async *#emit(piece: LogPiece, ledger: FileLedger): AsyncGenerator<LogPiece, void, undefined> {
    this.#signal.throwIfAborted();
    yield piece;
    this.#signal.throwIfAborted();
    const isKept = ledger.shippedEnd >= piece.endPosition && (piece.kind === "tail" || ledger.mergedEnd >= piece.endPosition);
    if (!isKept) throw new HoldfastError("INTERNAL", `The piece ${piece.file}:${String(piece.startPosition)} was not committed before the next one was asked for.`);
    this.#shippedAtMs = this.#clock.monotonicMs();
  }

  #isDue(): boolean {
    return this.#clock.monotonicMs() - this.#shippedAtMs >= this.#request.shipEveryMs;
  }

  /** True when the server has had more for a while than the silent stream brings: a dead connection looks like a quiet server. */
  async #isStalled(dump: Dump, ledger: FileLedger): Promise<boolean> {
    const bytes = await dump.spool.sizeBytes(ledger.file);
    const now = this.#clock.monotonicMs();
    if (this.#watch === null || this.#watch.bytes !== bytes) this.#watch = { atMs: now, bytes, behind: false };
    if (now - this.#watch.atMs < WATCH_EVERY_MS) return false;
    const server = await readServerLog(this.#connection, this.#signal).catch((error: unknown) => {
      if (asHoldfastError(error).row.retry) return null;
      throw error;
    });
    if (server !== null) this.#checkIdentity(server);
    const isBehind = server !== null && serverHasMore(server, { file: ledger.file, sizeBytes: bytes });
    const isStalled = isBehind && this.#watch.behind;
    this.#watch = isStalled ? null : { atMs: now, bytes, behind: isBehind };
    if (isStalled) this.#context.log.warn({ file: ledger.file, sizeBytes: bytes }, "the server has written more log than its connection brings; it is made again");
    return isStalled;
  }
}
