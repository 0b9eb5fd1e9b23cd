import { createHash } from "node:crypto";
import { HoldfastError } from "../../../lib/errors.ts";
import { formatGtid, parseGtidList } from "../../../model/gtid.ts";
import type { LogPiece } from "../../engine.ts";
import { groupsOf, LogScanner, type LogState, stateAtHead } from "./groups.ts";
import type { FileLedger } from "./ledger.ts";
import type { Spool } from "./spool.ts";

const CHUNK_BYTES = 4 * 1024 * 1024;

/**
 * Reads one raw file of a spool as it grows, compares its head with what is committed of it, and cuts the rest into
 * pieces. Holds no more in memory than one chunk (or one event, if that is larger) and, while a piece is made, the piece.
 */
export class FileReader {
  readonly #spool: Spool;
  readonly #ledger: FileLedger;
  readonly #dataIdentity: string;
  readonly #scanner: LogScanner;
  #stateAtMerged: LogState;
  #wantBytes = CHUNK_BYTES;
  /** Length of the event that is on its way, 0 when unknown. */
  #needBytes = 0;
  readonly #gtidBefore: string;

  constructor(spool: Spool, ledger: FileLedger, options: { gtidBefore: string; dataIdentity: string }) {
    this.#spool = spool;
    this.#ledger = ledger;
    this.#dataIdentity = options.dataIdentity;
    this.#gtidBefore = options.gtidBefore;
    this.#stateAtMerged = stateAtHead(ledger.file, options.gtidBefore);
    this.#scanner = new LogScanner(this.#stateAtMerged, 0);
  }

  /** Bytes of whole groups that are not committed yet. */
  get freshBytes(): number {
    return Math.max(0, this.#scanner.wholeEnd - this.#ledger.shippedEnd);
  }

  /** Bytes of whole groups that are in no segment yet. */
  get unmergedBytes(): number {
    return Math.max(0, this.#scanner.wholeEnd - this.#ledger.mergedEnd);
  }

  /**
   * Compares the committed pieces with the bytes the server sends now, once the spool holds them all. Throws
   * LINEAGE_CHANGED when one differs: the name is the same, but it is another file.
   */
  async verify(): Promise<void> {
    const { file, pieces, shippedEnd, mergedEnd } = this.#ledger;
    for (const piece of pieces) {
      const actual = await this.#spool.sha256(file, piece.startPosition, piece.endPosition);
      if (actual !== piece.plainSha256) throw changed(file, `its bytes ${String(piece.startPosition)} to ${String(piece.endPosition)} are not those that were stored`);
    }
    await this.#scanTo(mergedEnd);
    this.#stateAtMerged = this.#scanner.stateAtWholeEnd();
    await this.#scanTo(shippedEnd);
    this.#scanner.take();
  }

  /** Reads on until a segment is full; false when nothing new is there. STREAM_DAMAGED when an event is not whole. */
  async advance(mergeBytes: number): Promise<boolean> {
    const before = this.#scanner.position;
    // A long event is read once, when all of it is there, and not again at every poll.
    if ((await this.#spool.sizeBytes(this.#ledger.file)) - before < Math.max(1, this.#needBytes)) return false;
    const wantedBytes = this.#wantBytes;
    const bytes = await this.#spool.read(this.#ledger.file, before, wantedBytes);
    this.#needBytes = this.#scanner.feed(bytes, this.#ledger.mergedEnd + mergeBytes);
    this.#wantBytes = Math.max(CHUNK_BYTES, this.#needBytes);
    return this.#scanner.position > before || (this.#needBytes > bytes.length && bytes.length === wantedBytes);
  }

  /** The whole groups since the last piece. */
  async tail(): Promise<LogPiece> {
    const end = this.#scanner.wholeEnd;
    const { groups, gtidBefore, gtidAfter } = this.#scanner.take();
    const start = this.#ledger.shippedEnd;
    const bytes = await this.#spool.readRange(this.#ledger.file, start, end);
    return this.#piece({ kind: "tail", start, end, bytes, groups, gtidBefore, gtidAfter, closesFile: false, replaces: [] });
  }

  /** Everything since the last segment, as one; it replaces the tails. */
  async segment(): Promise<LogPiece> {
    return this.#segmentTo(this.#scanner.wholeEnd, false);
  }

  /**
   * The last piece of a file that will not grow: with it even the bytes of a group that a dying server did not finish,
   * so that the pieces joined are the server's file. Null when a piece already said that the file ends here.
   */
  async last(): Promise<LogPiece | null> {
    if (this.#ledger.closed) return null;
    const end = await this.#spool.sizeBytes(this.#ledger.file);
    if (end > this.#ledger.mergedEnd) return this.#segmentTo(end, true);
    // Cut at the very end before it was known to be the end: the last piece is sent again, as the closing one.
    const again = this.#ledger.pieces.at(-1);
    if (again === undefined) return null;
    const bytes = await this.#spool.readRange(this.#ledger.file, again.startPosition, end);
    const walked = await this.#walkFromHead(again.startPosition, bytes);
    return this.#piece({ kind: "segment", start: again.startPosition, end, bytes, ...walked, closesFile: true, replaces: [again.segmentId] });
  }

  async #segmentTo(end: number, closesFile: boolean): Promise<LogPiece> {
    const start = this.#ledger.mergedEnd;
    const bytes = await this.#spool.readRange(this.#ledger.file, start, end);
    const walked = groupsOf(bytes, start, this.#stateAtMerged);
    if (!closesFile) this.#stateAtMerged = walked.state;
    this.#scanner.take();
    const { groups, gtidBefore, gtidAfter } = walked;
    return this.#piece({ kind: "segment", start, end, bytes, groups, gtidBefore, gtidAfter, closesFile, replaces: this.#ledger.tailIds() });
  }

  async #walkFromHead(start: number, bytes: Buffer): Promise<Pick<LogPiece, "groups" | "gtidBefore" | "gtidAfter">> {
    const head = await this.#spool.readRange(this.#ledger.file, 0, start);
    const { groups, gtidBefore, gtidAfter } = groupsOf(bytes, start, start === 0 ? stateAtHead(this.#ledger.file) : groupsOf(head, 0, stateAtHead(this.#ledger.file)).state);
    return { groups, gtidBefore, gtidAfter };
  }

  async #scanTo(end: number): Promise<void> {
    while (this.#scanner.wholeEnd < end) {
      const bytes = await this.#spool.read(this.#ledger.file, this.#scanner.position, this.#wantBytes);
      const before = this.#scanner.position;
      const needBytes = this.#scanner.feed(bytes, end);
      if (this.#scanner.position === before && needBytes <= bytes.length) throw changed(this.#ledger.file, `no transaction ends at ${String(end)}, where a stored piece does`);
      this.#wantBytes = Math.max(CHUNK_BYTES, needBytes);
      this.#scanner.take();
    }
    if (this.#scanner.wholeEnd !== end) throw changed(this.#ledger.file, `no transaction ends at ${String(end)}, where a stored piece does`);
  }

  /** A file names the transactions before it; when it knows fewer than came before, the log began anew. */
  #checkHead(gtidsOfHead: string): void {
    const head = parseGtidList(gtidsOfHead);
    for (const expected of parseGtidList(this.#gtidBefore).values()) {
      const listed = head.get(expected.domain);
      if (listed !== undefined && listed.sequence < expected.sequence) {
        throw changed(this.#ledger.file, `it begins behind ${formatGtid(listed)}, but ${formatGtid(expected)} is stored already`);
      }
    }
  }

  #piece(parts: Omit<LogPiece, "file" | "startPosition" | "endPosition" | "dataIdentity" | "committed"> & { start: number; end: number }): LogPiece {
    const { start, end, ...rest } = parts;
    const ledger = this.#ledger;
    if (start === 0) this.#checkHead(rest.gtidBefore);
    const plainSha256 = createHash("sha256").update(parts.bytes).digest("hex");
    return {
      ...rest,
      file: ledger.file,
      startPosition: start,
      endPosition: end,
      dataIdentity: this.#dataIdentity,
      committed: (segmentId) => {
        ledger.add({ segmentId, kind: rest.kind, startPosition: start, endPosition: end, plainSha256 }, { gtidAfter: rest.gtidAfter, closed: rest.closesFile });
      },
    };
  }
}

export function changed(file: string, how: string): HoldfastError {
  return new HoldfastError("LINEAGE_CHANGED", `The server's ${file} is not the file whose pieces are stored: ${how}.`, {
    hint: "The log was reset, or this is another server. Take a new full backup; a new timeline begins with it.",
    details: { file },
  });
}
