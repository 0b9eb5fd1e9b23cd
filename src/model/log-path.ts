import type { LogSegment } from "./manifest.ts";
import { logFileNumber } from "./position.ts";

/** Only what joining pieces looks at. */
export type LogPieceRange = Pick<LogSegment, "kind" | "file" | "startPosition" | "endPosition" | "closesFile">;

/** A place in one timeline's log: file number and byte offset. */
export interface LogPlace {
  readonly fileNumber: number;
  readonly position: number;
}

/**
 * The stored pieces of one timeline, and the rule by which they join: inside a file a piece goes on where bytes were
 * reached that it also holds or that it begins at; into the next file only when a piece says that the file ends there,
 * the number is one higher, and the next file's bytes begin at 0. Segments are preferred to the tails they replace.
 */
export class LogPath<Piece extends LogPieceRange> {
  readonly #files = new Map<number, Piece[]>();
  readonly #numbers: number[];

  constructor(pieces: readonly Piece[]) {
    for (const piece of pieces) {
      const number = logFileNumber(piece.file);
      const file = this.#files.get(number);
      if (file === undefined) this.#files.set(number, [piece]);
      else file.push(piece);
    }
    for (const file of this.#files.values()) file.sort((a, b) => a.startPosition - b.startPosition || b.endPosition - a.endPosition);
    this.#numbers = [...this.#files.keys()].sort((a, b) => a - b);
  }

  /** The piece to take next at a place: it holds the byte there. A segment before a tail, then the one that goes furthest. */
  pieceAt(place: LogPlace): Piece | null {
    let best: Piece | null = null;
    for (const piece of this.#files.get(place.fileNumber) ?? []) {
      if (piece.startPosition > place.position) break;
      if (piece.endPosition > place.position && (best === null || isBetter(piece, best))) best = piece;
    }
    return best;
  }

  /** True when a piece says that the file ends exactly here. */
  closesAt(place: LogPlace): boolean {
    return (this.#files.get(place.fileNumber) ?? []).some((piece) => piece.closesFile && piece.endPosition === place.position);
  }

  /** The next place at or behind this one where bytes are stored, over whatever hole; null at the end. */
  nextStored(place: LogPlace): LogPlace | null {
    for (const fileNumber of this.#numbers) {
      if (fileNumber < place.fileNumber) continue;
      for (const piece of this.#files.get(fileNumber) ?? []) {
        if (fileNumber > place.fileNumber) return { fileNumber, position: piece.startPosition };
        if (piece.endPosition > place.position) return { fileNumber, position: Math.max(piece.startPosition, place.position) };
      }
    }
    return null;
  }

  /** Where reading goes on at a place: the same, or the head of the next file when this one ends here and the next is stored. */
  continueAt(place: LogPlace): LogPlace {
    if (this.pieceAt(place) !== null || !this.closesAt(place)) return place;
    const next = { fileNumber: place.fileNumber + 1, position: 0 };
    return this.pieceAt(next) === null ? place : next;
  }
}

function isBetter(piece: LogPieceRange, than: LogPieceRange): boolean {
  if (piece.kind !== than.kind) return piece.kind === "segment";
  return piece.endPosition > than.endPosition;
}

/** Order of two places. */
export function comparePlaces(a: LogPlace, b: LogPlace): number {
  return a.fileNumber - b.fileNumber || a.position - b.position;
}

export function placeOf(position: { file: string; position: number }): LogPlace {
  return { fileNumber: logFileNumber(position.file), position: position.position };
}
