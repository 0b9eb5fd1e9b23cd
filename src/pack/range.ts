import type { Readable } from "node:stream";
import { HoldfastError } from "../lib/errors.ts";
import type { Frame } from "../model/backup-index.ts";
import type { StoredPart } from "../model/manifest.ts";
import { HEADER_LIMIT_BYTES, headerLength } from "../model/pack-header.ts";
import { CHUNK_BYTES, ChunkOpener, PAYLOAD_NONCE_BYTES, PayloadDamage, SEALED_CHUNK_BYTES } from "./age-payload.ts";
import type { OpenHeader } from "./contract.ts";
import { damaged } from "./stored-bytes.ts";
import { decompressFrame } from "./zstd-frame.ts";

/** Bytes [start, end) of a backup's plain stream. */
export interface PlainRange {
  readonly start: number;
  readonly end: number;
}

export interface IndexedPack {
  readonly part: StoredPart;
  /** From the backup's index, in stream order. */
  readonly frames: readonly Frame[];
}

export interface RangeReadOptions {
  readonly packs: readonly IndexedPack[];
  /** In any order; what they share is read once. */
  readonly ranges: readonly PlainRange[];
  /** Bytes [start, end) of a stored pack. */
  readonly fetch: (part: StoredPart, range: { start: number; end: number }, signal: AbortSignal) => Promise<Readable>;
  readonly openHeader: OpenHeader;
  /** Where frames are kept of which only a part was wanted: the rest may be asked for later. */
  readonly keep?: FrameKeep;
  readonly onProgress?: (progress: { plainBytes: number; storedBytes: number }) => void;
  readonly signal: AbortSignal;
}

/** Keeps plain frames by pack and place. What it gives back is not checked again. */
export interface FrameKeep {
  get(part: StoredPart, frame: Frame): Promise<Buffer | null>;
  put(part: StoredPart, frame: Frame, plain: Buffer): Promise<void>;
}

export interface PlainPiece {
  readonly streamOffset: number;
  readonly bytes: Buffer;
}

/** A header for a few recipients is far smaller; a longer one costs a second read. */
const HEAD_BYTES = 2048;

/**
 * Plain bytes of a backup at the given ranges, in stream order, reading no more of the packs than the age chunks that
 * hold the frames they lie in. Every chunk's tag is checked before anything is made of it, and every frame's zstd
 * checksum and plain size: throws OBJECT_DAMAGED naming the pack. A pack's SHA-256 is of the whole object and cannot be
 * checked on a part of it; what was not read may be damaged unseen. The tags bind each chunk to its key and number.
 * Throws KEY_WRONG when a header does not open, FORMAT_INVALID when the index has no frame for a range.
 */
export async function* readRanges(options: RangeReadOptions): AsyncGenerator<PlainPiece, void, undefined> {
  const ranges = mergeRanges(options.ranges);
  const progress = { plainBytes: 0, storedBytes: 0 };
  let givenBytes = 0;
  for (const pack of options.packs) {
    const frames = framesIn(pack.frames, ranges);
    if (frames.length === 0) continue;
    for await (const { frame, plain } of openFrames(options, pack.part, frames, progress)) {
      progress.plainBytes += plain.byteLength;
      options.onProgress?.({ ...progress });
      const pieces = piecesOf(frame, plain, ranges);
      const pieceBytes = pieces.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
      if (pieceBytes < plain.byteLength) await options.keep?.put(pack.part, frame, plain);
      givenBytes += pieceBytes;
      yield* pieces;
    }
  }
  const wantedBytes = ranges.reduce((sum, range) => sum + range.end - range.start, 0);
  if (givenBytes !== wantedBytes) {
    throw new HoldfastError("FORMAT_INVALID", `The backup's index has frames for ${String(givenBytes)} of the ${String(wantedBytes)} bytes that were asked for.`);
  }
}

/** Sorted, without empty ones, joined where they touch. */
export function mergeRanges(ranges: readonly PlainRange[]): PlainRange[] {
  const merged: { start: number; end: number }[] = [];
  for (const { start, end } of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (end <= start) continue;
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else merged.push({ start, end });
  }
  return merged;
}

const endOf = (frame: Frame): number => frame.streamOffset + frame.plainBytes;

/** Index of the first range that ends behind `offset`; ranges are merged, so that they can be searched. */
function firstRangeBehind(ranges: readonly PlainRange[], offset: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.end ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function framesIn(frames: readonly Frame[], ranges: readonly PlainRange[]): Frame[] {
  return frames.filter((frame) => (ranges[firstRangeBehind(ranges, frame.streamOffset)]?.start ?? Number.POSITIVE_INFINITY) < endOf(frame));
}

function piecesOf(frame: Frame, plain: Buffer, ranges: readonly PlainRange[]): PlainPiece[] {
  const pieces: PlainPiece[] = [];
  for (let at = firstRangeBehind(ranges, frame.streamOffset); at < ranges.length; at += 1) {
    const range = ranges[at];
    if (range === undefined || range.start >= endOf(frame)) break;
    const start = Math.max(range.start, frame.streamOffset);
    const end = Math.min(range.end, endOf(frame));
    pieces.push({ streamOffset: start, bytes: plain.subarray(start - frame.streamOffset, end - frame.streamOffset) });
  }
  return pieces;
}

/** Chunks [from, to) of a payload, and the frames that lie in them. */
interface Run {
  readonly from: number;
  to: number;
  readonly frames: Frame[];
}

/** Frames whose chunks touch are fetched in one go. */
function runsOf(frames: readonly Frame[]): Run[] {
  const runs: Run[] = [];
  for (const frame of frames) {
    const from = Math.floor(frame.packOffset / CHUNK_BYTES);
    const to = Math.ceil((frame.packOffset + frame.frameBytes) / CHUNK_BYTES);
    const last = runs.at(-1);
    if (last !== undefined && from <= last.to) {
      last.to = Math.max(last.to, to);
      last.frames.push(frame);
    } else runs.push({ from, to, frames: [frame] });
  }
  return runs;
}

interface Head {
  readonly opener: ChunkOpener;
  /** Offset of the payload's first chunk in the object, and the number of its last. */
  readonly payloadStart: number;
  readonly lastChunk: number;
}

interface OpenFrame {
  readonly frame: Frame;
  readonly plain: Buffer;
}

/** In order, from what was kept where it was. */
async function* openFrames(options: RangeReadOptions, part: StoredPart, frames: readonly Frame[], progress: { storedBytes: number }): AsyncGenerator<OpenFrame, void, undefined> {
  let missing: Frame[] = [];
  for (const frame of frames) {
    const plain = (await options.keep?.get(part, frame)) ?? null;
    if (plain === null) missing.push(frame);
    else {
      yield* fetchFrames(options, part, missing, progress);
      missing = [];
      yield { frame, plain };
    }
  }
  yield* fetchFrames(options, part, missing, progress);
}

async function* fetchFrames(options: RangeReadOptions, part: StoredPart, frames: readonly Frame[], progress: { storedBytes: number }): AsyncGenerator<OpenFrame, void, undefined> {
  if (frames.length === 0) return;
  const head = await readHead(options, part, progress);
  for (const run of runsOf(frames)) {
    let held: Buffer = Buffer.alloc(0);
    let heldStart = run.from * CHUNK_BYTES;
    const waiting = [...run.frames];
    for await (const chunk of openChunks(options, part, { head, run, progress })) {
      held = held.byteLength === 0 ? chunk : Buffer.concat([held, chunk]);
      for (let frame = waiting[0]; frame !== undefined && frame.packOffset + frame.frameBytes <= heldStart + held.byteLength; frame = waiting[0]) {
        waiting.shift();
        const start = frame.packOffset - heldStart;
        yield { frame, plain: await decompress(part, frame, held.subarray(start, start + frame.frameBytes)) };
      }
      // Bytes in front of the next frame are not needed again.
      const next = waiting[0]?.packOffset ?? heldStart + held.byteLength;
      const dropped = Math.min(held.byteLength, Math.max(0, next - heldStart));
      held = held.subarray(dropped);
      heldStart += dropped;
    }
    if (waiting.length > 0) throw damaged(part.name, `it ends before the frame at ${String(waiting[0]?.packOffset)} of its payload does`);
  }
}

async function readHead(options: RangeReadOptions, part: StoredPart, progress: { storedBytes: number }): Promise<Head> {
  for (let wantBytes = HEAD_BYTES; ; wantBytes = HEADER_LIMIT_BYTES) {
    const bytes = Buffer.concat(await collect(fetchExactly(options, part, { start: 0, end: Math.min(wantBytes, part.sizeBytes) }, progress)));
    const headerBytes = headerLength(bytes);
    const payloadStart = (headerBytes ?? 0) + PAYLOAD_NONCE_BYTES;
    if (headerBytes !== null && bytes.byteLength >= payloadStart) {
      const fileKey = await options.openHeader(part.name, bytes.subarray(0, headerBytes));
      const lastChunk = Math.ceil((part.sizeBytes - payloadStart) / SEALED_CHUNK_BYTES) - 1;
      return { opener: new ChunkOpener(fileKey, bytes.subarray(headerBytes, payloadStart)), payloadStart, lastChunk };
    }
    if (wantBytes >= HEADER_LIMIT_BYTES || bytes.byteLength >= part.sizeBytes) throw damaged(part.name, "it does not begin with an age header");
  }
}

async function* openChunks(
  options: RangeReadOptions,
  part: StoredPart,
  { head, run, progress }: { head: Head; run: Run; progress: { storedBytes: number } },
): AsyncGenerator<Buffer, void, undefined> {
  const { opener, payloadStart, lastChunk } = head;
  if (run.to - 1 > lastChunk) throw damaged(part.name, `its index names chunk ${String(run.to - 1)}, and it has ${String(lastChunk + 1)}`);
  const range = { start: payloadStart + run.from * SEALED_CHUNK_BYTES, end: Math.min(payloadStart + run.to * SEALED_CHUNK_BYTES, part.sizeBytes) };
  let number = run.from;
  let rest: Buffer = Buffer.alloc(0);
  const open = (sealed: Buffer): Buffer => openChunk(part, opener, sealed, { number, isLast: number === lastChunk });
  for await (const bytes of fetchExactly(options, part, range, progress)) {
    rest = rest.byteLength === 0 ? bytes : Buffer.concat([rest, bytes]);
    for (; rest.byteLength >= SEALED_CHUNK_BYTES; rest = rest.subarray(SEALED_CHUNK_BYTES), number += 1) yield open(rest.subarray(0, SEALED_CHUNK_BYTES));
  }
  if (rest.byteLength > 0) yield open(rest);
}

function openChunk(part: StoredPart, opener: ChunkOpener, sealed: Buffer, { number, isLast }: { number: number; isLast: boolean }): Buffer {
  try {
    return opener.open(sealed, number, isLast);
  } catch (error) {
    throw error instanceof PayloadDamage ? damaged(part.name, error.message, error) : error;
  }
}

async function* fetchExactly(options: RangeReadOptions, part: StoredPart, range: { start: number; end: number }, progress: { storedBytes: number }): AsyncGenerator<Buffer, void, undefined> {
  options.signal.throwIfAborted();
  let leftBytes = range.end - range.start;
  const source = await options.fetch(part, range, options.signal);
  try {
    for await (const chunk of source) {
      const bytes = chunk as Uint8Array;
      leftBytes -= bytes.byteLength;
      if (leftBytes < 0) break;
      progress.storedBytes += bytes.byteLength;
      yield Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
  } catch (cause) {
    options.signal.throwIfAborted();
    if (cause instanceof HoldfastError || !(cause instanceof Error)) throw cause;
    throw new HoldfastError("STORAGE_FAILED", `${part.name} could not be read: ${cause.message}`, { cause });
  } finally {
    source.destroy();
  }
  if (leftBytes !== 0) throw damaged(part.name, `bytes ${String(range.start)} to ${String(range.end)} of it came ${leftBytes > 0 ? "short" : "with more behind them"}`);
}

async function decompress(part: StoredPart, frame: Frame, bytes: Buffer): Promise<Buffer> {
  let plain: Buffer;
  try {
    plain = await decompressFrame(bytes, Math.max(1, frame.plainBytes));
  } catch (cause) {
    throw damaged(part.name, `the zstd frame at ${String(frame.packOffset)} of its payload does not decompress (${cause instanceof Error ? cause.message : String(cause)})`, cause);
  }
  if (plain.byteLength === frame.plainBytes) return plain;
  throw damaged(part.name, `the zstd frame at ${String(frame.packOffset)} of its payload holds ${String(plain.byteLength)} plain bytes, not ${String(frame.plainBytes)}`);
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}
