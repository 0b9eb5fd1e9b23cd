import { HoldfastError } from "../../../lib/errors.ts";
import type { ShippedPiece } from "../../../model/job.ts";
import { LogPath } from "../../../model/log-path.ts";
import { logFileNumber } from "../../../model/position.ts";

/** A committed piece of the file that is being followed. */
export interface KeptPiece {
  readonly segmentId: string;
  readonly kind: "tail" | "segment";
  readonly startPosition: number;
  readonly endPosition: number;
  readonly plainSha256: string;
}

/**
 * What is committed of one log file: segments from its head, then the tails since the last of them. It is the only
 * thing that survives a lost connection or a new follower; everything else is read again and compared with it.
 */
export class FileLedger {
  readonly file: string;
  /** GTID state at the end of what is kept; empty when unknown. Used only when the file itself is gone. */
  gtidAfter: string;
  closed: boolean;
  #kept: KeptPiece[];

  private constructor(file: string, kept: KeptPiece[], end: { gtidAfter: string; closed: boolean }) {
    this.file = file;
    this.#kept = kept;
    this.gtidAfter = end.gtidAfter;
    this.closed = end.closed;
  }

  static empty(file: string, gtidBefore: string): FileLedger {
    return new FileLedger(file, [], { gtidAfter: gtidBefore, closed: false });
  }

  /** From the pieces that are stored: what joins from the head of the newest file; null when nothing is stored. */
  static of(shipped: readonly ShippedPiece[]): FileLedger | null {
    const newest = shipped.reduce<ShippedPiece | null>((best, piece) => (best === null || logFileNumber(piece.file) > logFileNumber(best.file) ? piece : best), null);
    if (newest === null) return null;
    const fileNumber = logFileNumber(newest.file);
    const path = new LogPath(shipped);
    const kept: ShippedPiece[] = [];
    let position = 0;
    for (let piece = path.pieceAt({ fileNumber, position }); piece !== null; piece = path.pieceAt({ fileNumber, position })) {
      kept.push(piece);
      position = piece.endPosition;
    }
    return new FileLedger(newest.file, kept, { gtidAfter: kept.at(-1)?.gtidAfter ?? "", closed: path.closesAt({ fileNumber, position }) });
  }

  get pieces(): readonly KeptPiece[] {
    return this.#kept;
  }

  /** Everything before this offset is committed. */
  get shippedEnd(): number {
    return this.#kept.at(-1)?.endPosition ?? 0;
  }

  /** Everything before this offset is in segments. */
  get mergedEnd(): number {
    const firstTail = this.#kept.findIndex((piece) => piece.kind === "tail");
    return (firstTail === -1 ? this.#kept.at(-1) : this.#kept[firstTail - 1])?.endPosition ?? 0;
  }

  /** The tails that a segment from `mergedEnd` to `end` replaces. */
  tailIds(): string[] {
    return this.#kept.filter((piece) => piece.kind === "tail").map((piece) => piece.segmentId);
  }

  /** A piece was committed; a segment takes the place of what it covers. */
  add(piece: KeptPiece, end: { gtidAfter: string; closed: boolean }): void {
    if (piece.startPosition > this.shippedEnd) {
      throw new HoldfastError("INTERNAL", `A piece of ${this.file} from ${String(piece.startPosition)} was committed, but only ${String(this.shippedEnd)} bytes before it are.`);
    }
    if (piece.kind === "segment") this.#kept = this.#kept.filter((kept) => kept.startPosition < piece.startPosition);
    this.#kept.push(piece);
    this.gtidAfter = end.gtidAfter;
    this.closed = end.closed;
  }
}
