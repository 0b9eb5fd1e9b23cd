import { HoldfastError } from "../lib/errors.ts";
import type { LogSegment } from "./manifest.ts";
import { formatPosition } from "./position.ts";

type Span = Pick<LogSegment, "segmentId" | "kind" | "file" | "startPosition" | "endPosition">;

const place = (span: Span): string => `${span.segmentId} (${formatPosition({ file: span.file, position: span.startPosition })} to ${String(span.endPosition)})`;

/**
 * The tails that a new piece replaces: all that lie wholly inside it, whether it names them or not, for it holds the
 * same bytes. CONFLICT when it shares bytes with anything else, or names a tail that is not inside it: every byte of
 * log is stored once.
 */
export function replacedTails<T extends Span>(piece: Span & { readonly replaces: readonly string[] }, overlapping: readonly T[]): T[] {
  const others = overlapping.filter((other) => other.segmentId !== piece.segmentId);
  const inside = (other: Span): boolean => piece.kind === "segment" && other.kind === "tail" && other.startPosition >= piece.startPosition && other.endPosition <= piece.endPosition;
  const wrong = others.find((other) => !inside(other));
  if (wrong !== undefined) throw new HoldfastError("CONFLICT", `The piece of log ${place(piece)} shares bytes with ${place(wrong)}, which it does not replace.`);
  const unknown = piece.replaces.find((id) => !others.some((other) => other.segmentId === id));
  if (unknown !== undefined) throw new HoldfastError("CONFLICT", `The piece of log ${place(piece)} says that it replaces ${unknown}, which is not a tail inside it.`);
  return others;
}

/** When what had arrived: what the tails knew, and the new end unless a tail had reached it already. */
export function mergedArrivals(tails: readonly Pick<LogSegment, "arrivals">[], newest: LogSegment["arrivals"][number]): LogSegment["arrivals"] {
  const known = tails.flatMap((tail) => tail.arrivals).sort((a, b) => a.endPosition - b.endPosition);
  return known.some((arrival) => arrival.endPosition >= newest.endPosition) ? known : [...known, newest];
}
