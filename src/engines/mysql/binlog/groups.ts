import { isHoldfastError } from "../../../lib/errors.ts";
import { formatGtidState, type GtidState, gtidState, parseGtidList } from "../../../model/gtid.ts";
import type { LogGroup } from "../../../model/log-groups.ts";
import { readGtidList } from "./bodies.ts";
import { type ChecksumKind, checksumOf, damaged, EVENT, eventLength, LOG_MAGIC, type LogEvent, readEvent } from "./events.ts";
import { GroupBuilder } from "./group-builder.ts";

/** Where a walk over a log file stands between two groups: all that is needed to go on from there. */
export interface LogState {
  readonly file: string;
  /** Null before the file's format description was read. */
  readonly checksum: ChecksumKind | null;
  readonly gtids: GtidState;
}

export interface WalkedLog {
  readonly groups: LogGroup[];
  /** How many bytes, from the first, are whole groups and whole events outside groups. */
  readonly wholeBytes: number;
  /** True when the last whole event is the server's own end of the file (ROTATE or STOP). */
  readonly closesFile: boolean;
  readonly gtidBefore: string;
  readonly gtidAfter: string;
  /** At the end of the whole bytes; give it to the next call. */
  readonly state: LogState;
}

/** The state at the head of a file. `gtidBefore` is where the file before it ended; the file's own list replaces it. */
export function stateAtHead(file: string, gtidBefore = ""): LogState {
  return { file, checksum: null, gtids: parseGtidList(gtidBefore) };
}

/**
 * Walks bytes that begin at `fileOffset` of a file, at its head or between two groups. They may end anywhere: what is
 * not a whole group is left for the next call. Throws STREAM_DAMAGED with file and offset.
 */
export function groupsOf(bytes: Buffer, fileOffset: number, state: LogState): WalkedLog {
  const scanner = new LogScanner(state, fileOffset);
  scanner.feed(bytes);
  return { ...scanner.take(), wholeBytes: scanner.wholeEnd - fileOffset, closesFile: scanner.closesFile, state: scanner.stateAtWholeEnd() };
}

/**
 * The same walk for a file that grows: it remembers a group that has begun, so that no byte is read twice and a group
 * of any size needs no more memory than its largest event.
 */
export class LogScanner {
  readonly #file: string;
  #checksum: ChecksumKind | null;
  /** After the last whole group, at the last `take`. */
  #gtidsTaken: GtidState;
  #gtids: GtidState;
  #builder: GroupBuilder | null = null;
  #groups: LogGroup[] = [];
  #at: number;
  #wholeEnd: number;
  #closes = false;

  constructor(state: LogState, fileOffset: number) {
    this.#file = state.file;
    this.#checksum = state.checksum;
    this.#gtids = state.gtids;
    this.#gtidsTaken = state.gtids;
    this.#at = fileOffset;
    this.#wholeEnd = fileOffset;
  }

  /** Offset of the next byte that `feed` wants. */
  get position(): number {
    return this.#at;
  }

  /** Offset behind the last whole group or whole event outside groups. */
  get wholeEnd(): number {
    return this.#wholeEnd;
  }

  get closesFile(): boolean {
    return this.#closes;
  }

  /**
   * Reads the whole events in `bytes`, which begin at `position`; stops early at the first group end at or behind
   * `stopAt`. Gives the length in bytes the next event needs, 0 when that is not known yet.
   */
  feed(bytes: Buffer, stopAt = Number.POSITIVE_INFINITY): number {
    const base = this.#at;
    if (!this.#passMagic(bytes)) return LOG_MAGIC.length;
    while (this.#wholeEnd < stopAt || this.#builder !== null) {
      const place = { file: this.#file, offset: base, checksum: this.#checksum };
      const event = readEvent(bytes, this.#at - base, place);
      if (event === null) return eventLength(bytes, this.#at - base) ?? 0;
      this.#take(event, place);
      this.#at = event.end;
      if (this.#builder === null) this.#wholeEnd = event.end;
    }
    return 0;
  }

  /** The groups since the last call, and the GTID state around them. */
  take(): { groups: LogGroup[]; gtidBefore: string; gtidAfter: string } {
    const taken = { groups: this.#groups, gtidBefore: formatGtidState(this.#gtidsTaken), gtidAfter: formatGtidState(this.#gtids) };
    this.#groups = [];
    this.#gtidsTaken = this.#gtids;
    return taken;
  }

  stateAtWholeEnd(): LogState {
    return { file: this.#file, checksum: this.#checksum, gtids: this.#gtids };
  }

  #passMagic(bytes: Buffer): boolean {
    if (this.#at !== 0) return true;
    if (bytes.length < LOG_MAGIC.length) return false;
    if (!bytes.subarray(0, LOG_MAGIC.length).equals(LOG_MAGIC)) {
      throw damaged({ file: this.#file }, 0, "is not there: the file does not begin as a binary log does");
    }
    this.#at = LOG_MAGIC.length;
    this.#wholeEnd = LOG_MAGIC.length;
    return true;
  }

  #take(event: LogEvent, place: { file: string; offset: number; checksum: ChecksumKind | null }): void {
    try {
      if (this.#builder !== null && event.type !== EVENT.GTID) this.#insideGroup(this.#builder, event);
      else this.#outsideGroup(event, place);
    } catch (error) {
      if (isHoldfastError(error)) throw error;
      throw damaged(place, event.start, `(type ${String(event.type)}) is not laid out as MariaDB writes it`, error);
    }
  }

  #insideGroup(builder: GroupBuilder, event: LogEvent): void {
    // A server that died leaves a group without an end; the next thing it would write is another file.
    if (!builder.add(event)) return;
    this.#groups.push(builder.finish(event.end));
    this.#gtids = gtidState([...this.#gtids.values(), builder.gtid]);
    this.#builder = null;
  }

  #outsideGroup(event: LogEvent, place: { file: string; offset: number; checksum: ChecksumKind | null }): void {
    if (this.#builder !== null) throw damaged(place, event.start, "begins a transaction before the one in front of it has ended");
    if (event.type === EVENT.GTID) this.#builder = new GroupBuilder(event);
    else if (event.type === EVENT.FORMAT_DESCRIPTION) this.#checksum = checksumOf(event, place);
    else if (event.type === EVENT.GTID_LIST) this.#readList(event);
    this.#closes = event.type === EVENT.ROTATE || event.type === EVENT.STOP;
  }

  #readList(event: LogEvent): void {
    this.#gtids = gtidState(readGtidList(event));
    // What is before the file's head is what the file says of itself; only the first list of a walk stands there.
    if (event.start < HEAD_BYTES) this.#gtidsTaken = this.#gtids;
  }
}

/** The list of GTIDs stands behind the format description, well inside these bytes. */
const HEAD_BYTES = 1024;
