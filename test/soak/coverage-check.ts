import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { CoverageInterval } from "../../src/model/backup.ts";
import { openWithTools, type StoredPiece } from "./stored.ts";

/** The in-use flag of a log file's first event: the server clears it in place when it closes the file. */
const FLAG_BYTES = [21, 22] as const;

/** Holds what the coverage claims against the source's own log files, byte for byte. */
export class CoverageCheck {
  readonly #keyPath: string;
  readonly #proved = new Set<string>();

  constructor(keyPath: string) {
    this.#keyPath = keyPath;
  }

  /** Sentences about instants that are claimed and not stored, or stored wrongly. */
  async faults(intervals: readonly CoverageInterval[], pieces: readonly StoredPiece[], sourceFiles: readonly string[]): Promise<string[]> {
    const source = new Map<string, Buffer>();
    for (const path of sourceFiles) source.set(basename(path), await readFile(path));
    const faults: string[] = [];
    for (const piece of pieces) faults.push(...(await this.#pieceFaults(piece, source)));
    for (const interval of intervals) faults.push(...claimFaults(interval, pieces, source));
    return faults;
  }

  async #pieceFaults({ segment, objectPath }: StoredPiece, source: ReadonlyMap<string, Buffer>): Promise<string[]> {
    if (this.#proved.has(segment.segmentId)) return [];
    const { file, startPosition, endPosition } = segment;
    const what = `the piece ${segment.segmentId} of ${file}:${String(startPosition)}-${String(endPosition)}`;
    const original = source.get(file);
    if (original === undefined) return [`${what} is of a file that the source does not have`];
    const expected = Buffer.from(original.subarray(startPosition, endPosition));
    const found = await openWithTools(objectPath, this.#keyPath).catch((error: unknown) => error as Error);
    if (found instanceof Error) return [`${what}: ${found.message}`];
    for (const offset of FLAG_BYTES) {
      if (offset < startPosition || offset >= endPosition) continue;
      expected[offset - startPosition] = 0;
      found[offset - startPosition] = 0;
    }
    if (!found.equals(expected)) return [`${what} does not hold the source's bytes`];
    this.#proved.add(segment.segmentId);
    return [];
  }
}

/** Every byte between both ends of a claim lies in some piece of its timeline, and is one that the source wrote. */
function claimFaults({ timeline, from, to }: CoverageInterval, pieces: readonly StoredPiece[], source: ReadonlyMap<string, Buffer>): string[] {
  const files = [...source.keys()].toSorted();
  const claimed = files.slice(files.indexOf(from.file), files.indexOf(to.file) + 1);
  if (claimed.length === 0) return [`the coverage claims ${from.file} to ${to.file}, which the source does not have`];
  return claimed.flatMap((file) => {
    const start = file === from.file ? from.position : 0;
    const end = file === to.file ? to.position : (source.get(file)?.byteLength ?? 0);
    if (end > (source.get(file)?.byteLength ?? 0)) return [`the coverage claims ${file} up to ${String(end)}, where the source has written nothing`];
    const ofFile = pieces.filter(({ segment }) => segment.timeline === timeline && segment.file === file).map(({ segment }) => segment);
    const missing = firstMissing(ofFile, start, end);
    return missing === null ? [] : [`the coverage claims ${file}:${String(start)}-${String(end)}, but nothing holds the byte at ${String(missing)}`];
  });
}

function firstMissing(ranges: readonly { startPosition: number; endPosition: number }[], start: number, end: number): number | null {
  let reached = start;
  for (const { startPosition, endPosition } of ranges.toSorted((a, b) => a.startPosition - b.startPosition)) {
    if (startPosition > reached) break;
    reached = Math.max(reached, endPosition);
  }
  return reached >= end ? null : reached;
}
