import { crc32 } from "node:zlib";
import { HoldfastError } from "../../lib/errors.ts";
import type { IndexedFile } from "../../model/backup-index.ts";
import { type FileWatch, watchFile } from "./xbstream-file.ts";

/*
 * The stream of mbstream, chunk after chunk: magic `XBSTCK01`, flags (1 byte), type (1), path length (u32 LE), path;
 * then for type P: length (u64 LE), offset in the file (u64), CRC-32 of the data (u32), data. Type E ends a file.
 */
const MAGIC = Buffer.from("XBSTCK01", "latin1");
const FIXED_BYTES = 14;
const PAYLOAD_HEADER_BYTES = 20;
/** mbstream itself takes no longer path (FN_REFLEN). */
const MAX_PATH_BYTES = 512;
const FLAG_IGNORABLE = 1;
const TYPE_PAYLOAD = 0x50;
const TYPE_END = 0x45;

/** Is told what is in a stream while it passes; paths stay inside the directory it would be unpacked into. */
export interface StreamSink {
  /** A file's first chunk came; each path comes once. */
  begin(path: string): void;
  /** Bytes that belong at `fileOffset`, not checked yet: a mismatch shows at the end of their chunk. */
  data(path: string, bytes: Uint8Array, fileOffset: number): void;
  end(path: string): void;
}

const NO_SINK: StreamSink = { begin: () => undefined, data: () => undefined, end: () => undefined };

/** Follows a stream as it passes, keeps none of its bytes and checks each of them. */
export interface StreamInspector {
  /** Looks at the next bytes; throws STREAM_DAMAGED with the offset at which the stream stops making sense. */
  write(bytes: Uint8Array): void;
  /** Call at the stream's end: the index of its files in order of their first chunk. STREAM_DAMAGED when it was cut. */
  end(): IndexedFile[];
}

interface Payload {
  readonly file: FileWatch;
  readonly path: string;
  /** Of a chunk that is marked ignorable, nothing is told. */
  readonly sink: StreamSink;
  /** Where the data begins: in the stream, in the file. */
  readonly streamOffset: number;
  readonly fileOffset: number;
  readonly lengthBytes: number;
  readonly crc32: number;
  leftBytes: number;
  seenCrc32: number;
}

interface State {
  /** Offset in the stream of the next byte to look at. */
  offset: number;
  /** Where the chunk that is being read began. */
  chunkStart: number;
  /** Header bytes of that chunk, so far. */
  readonly header: Buffer;
  headerBytes: number;
  payload: Payload | null;
  readonly files: Map<string, FileWatch>;
  readonly sink: StreamSink;
}

export function inspectStream(sink: StreamSink = NO_SINK): StreamInspector {
  const state: State = { offset: 0, chunkStart: 0, header: Buffer.alloc(FIXED_BYTES + MAX_PATH_BYTES + PAYLOAD_HEADER_BYTES), headerBytes: 0, payload: null, files: new Map(), sink };
  return {
    write: (bytes) => {
      let at = 0;
      while (at < bytes.length) at += state.payload === null ? takeHeader(state, bytes, at) : takeData(state, state.payload, bytes, at);
    },
    end: () => finish(state),
  };
}

function damaged(offset: number, why: string): HoldfastError {
  return new HoldfastError("STREAM_DAMAGED", `The backup stream is damaged at offset ${String(offset)}: ${why}.`, { details: { offset } });
}

/** Takes header bytes up to the next point at which something can be decided; gives how many were taken. */
function takeHeader(state: State, bytes: Uint8Array, at: number): number {
  if (state.headerBytes === 0) state.chunkStart = state.offset;
  const taken = Math.min(headerNeed(state) - state.headerBytes, bytes.length - at);
  state.header.set(bytes.subarray(at, at + taken), state.headerBytes);
  state.headerBytes += taken;
  state.offset += taken;
  if (state.headerBytes === FIXED_BYTES) checkFixed(state);
  if (state.headerBytes === headerNeed(state)) beginChunk(state);
  return taken;
}

function headerNeed(state: State): number {
  if (state.headerBytes < FIXED_BYTES) return FIXED_BYTES;
  const pathEnd = FIXED_BYTES + state.header.readUInt32LE(10);
  return state.header[9] === TYPE_END ? pathEnd : pathEnd + PAYLOAD_HEADER_BYTES;
}

function checkFixed(state: State): void {
  const { header, chunkStart } = state;
  if (!header.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged(chunkStart, "a chunk must begin here, and what stands here is none");
  const [flags, type] = [header.readUInt8(8), header.readUInt8(9)];
  // An unknown chunk has an unknown shape; one that is marked ignorable has a payload's, so that it can be skipped.
  if (type !== TYPE_PAYLOAD && type !== TYPE_END && (flags & FLAG_IGNORABLE) === 0) throw damaged(chunkStart, `the chunk's type ${String(type)} is not known`);
  const pathBytes = header.readUInt32LE(10);
  if (pathBytes === 0 || pathBytes > MAX_PATH_BYTES) throw damaged(chunkStart, `a path of ${String(pathBytes)} bytes is not possible`);
}

function beginChunk(state: State): void {
  const { header, chunkStart } = state;
  const type = header[9];
  const pathEnd = FIXED_BYTES + header.readUInt32LE(10);
  const path = safePath(header.subarray(FIXED_BYTES, pathEnd), chunkStart);
  state.headerBytes = 0;
  if (type === TYPE_END) {
    fileOf(state, path).end();
    state.sink.end(path);
    return;
  }
  const known = type === TYPE_PAYLOAD;
  state.payload = {
    file: known ? fileOf(state, path) : watchFile(path),
    path,
    sink: known ? state.sink : NO_SINK,
    streamOffset: state.offset,
    lengthBytes: safeNumber(header.readBigUInt64LE(pathEnd), chunkStart),
    fileOffset: safeNumber(header.readBigUInt64LE(pathEnd + 8), chunkStart),
    crc32: header.readUInt32LE(pathEnd + 16),
    leftBytes: safeNumber(header.readBigUInt64LE(pathEnd), chunkStart),
    seenCrc32: 0,
  };
  const { payload } = state;
  if (known && payload.fileOffset !== payload.file.sizeBytes()) throw damaged(chunkStart, `a chunk of ${path} is for offset ${String(payload.fileOffset)}, but ${String(payload.file.sizeBytes())} bytes of it have come`);
  if (payload.leftBytes === 0) endPayload(state, payload);
}

function fileOf(state: State, path: string): FileWatch {
  const found = state.files.get(path);
  if (found === undefined) {
    const file = watchFile(path);
    state.files.set(path, file);
    state.sink.begin(path);
    return file;
  }
  // mbstream refuses to write a file a second time, so the backup could not be unpacked.
  if (found.ended()) throw damaged(state.chunkStart, `${path} comes again after its end`);
  return found;
}

function takeData(state: State, payload: Payload, bytes: Uint8Array, at: number): number {
  const data = bytes.subarray(at, Math.min(bytes.length, at + payload.leftBytes));
  payload.seenCrc32 = crc32(data, payload.seenCrc32);
  const fileOffset = payload.fileOffset + payload.lengthBytes - payload.leftBytes;
  payload.file.data(data, fileOffset);
  payload.sink.data(payload.path, data, fileOffset);
  payload.leftBytes -= data.length;
  state.offset += data.length;
  if (payload.leftBytes === 0) endPayload(state, payload);
  return data.length;
}

function endPayload(state: State, payload: Payload): void {
  if (payload.seenCrc32 !== payload.crc32) throw damaged(payload.streamOffset, `${String(payload.lengthBytes)} bytes of ${payload.path} do not match their checksum`);
  const { streamOffset, lengthBytes, fileOffset } = payload;
  payload.file.extent({ streamOffset, lengthBytes, fileOffset, crc32: payload.crc32 });
  state.payload = null;
}

function finish(state: State): IndexedFile[] {
  if (state.payload !== null) throw damaged(state.offset, `it ends inside ${state.payload.path}`);
  if (state.headerBytes !== 0) throw damaged(state.offset, "it ends inside the head of a chunk");
  if (state.files.size === 0) throw damaged(state.offset, "it is empty");
  for (const [path, file] of state.files) if (!file.ended()) throw damaged(state.offset, `it ends before the end of ${path}`);
  return [...state.files.values()].map((file) => file.indexed());
}

/** A path that stays inside the directory it is unpacked into. MariaDB encodes file names, so they are plain ASCII. */
function safePath(bytes: Uint8Array, offset: number): string {
  let path: string;
  try {
    path = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw damaged(offset, "a path in it is not text");
  }
  if (path.startsWith("/") || path.includes("\0") || path.split("/").includes("..")) throw damaged(offset, `the path ${JSON.stringify(path)} leads out of the backup`);
  return path.replace(/^(?:\.\/+)+/, "");
}

function safeNumber(value: bigint, offset: number): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(offset, `a length or offset of ${String(value)} is not possible`);
  return Number(value);
}
