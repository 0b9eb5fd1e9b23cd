import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { HoldfastError } from "../lib/errors.ts";
import type { BackupRef } from "../model/backup.ts";
import type { BackupIndex, Frame, IndexedFile } from "../model/backup-index.ts";
import type { StoredPart } from "../model/manifest.ts";
import { type FrameKeep, type IndexedPack, type PlainPiece, readRanges } from "../pack/range.ts";
import type { JobPorts } from "./ports.ts";

/** A backup whose files are read one by one. */
export interface IndexedBackup {
  readonly ref: BackupRef;
  readonly index: BackupIndex;
  /** Directory for frames of which a later call may want another part, so that no byte is fetched twice. */
  readonly keepDir: string;
}

interface Piece {
  readonly path: string;
  readonly extent: IndexedFile["extents"][number];
}

/**
 * Reads files out of a backup by the ranges that its index names, and writes each under its `path` into `dir`. Nothing
 * else of the packs is read, so their SHA-256 is not checked: the tags of the cipher and the tool's own checksum of
 * every run of bytes are. Throws STREAM_DAMAGED naming the file, besides what `readRanges` throws. Gives stored bytes read.
 */
export async function extractFiles(
  ports: JobPorts,
  { ref, index, keepDir }: IndexedBackup,
  files: readonly { readonly file: IndexedFile; readonly path: string }[],
  dir: string,
): Promise<number> {
  const pieces = files.flatMap(({ file, path }) => file.extents.map((extent): Piece => ({ path, extent })));
  pieces.sort((a, b) => a.extent.streamOffset - b.extent.streamOffset);
  for (const { path } of files) await createFile(dir, path);
  let storedBytes = 0;
  const plain = readRanges({
    packs: packsOf(ref, index),
    ranges: pieces.map(({ extent }) => ({ start: extent.streamOffset, end: extent.streamOffset + extent.lengthBytes })),
    fetch: (part, range) => ports.get(`${ref.prefix}${part.name}`, range),
    openHeader: (name, header) => ports.openHeader(`${ref.prefix}${name}`, header),
    keep: keepIn(keepDir),
    onProgress: (progress) => {
      storedBytes = progress.storedBytes;
    },
    signal: ports.signal,
  });
  await writePieces(plain, pieces, dir);
  return storedBytes;
}

function keepIn(dir: string): FrameKeep {
  const pathOf = (part: StoredPart, frame: Frame): string => join(dir, `${part.name}-${String(frame.packOffset)}`);
  return {
    get: async (part, frame) => {
      const plain = await readFile(pathOf(part, frame)).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
        throw error;
      });
      return plain?.byteLength === frame.plainBytes ? plain : null;
    },
    put: async (part, frame, plain) => {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await writeFile(pathOf(part, frame), plain, { mode: 0o600 });
    },
  };
}

function packsOf(ref: BackupRef, index: BackupIndex): IndexedPack[] {
  const frames = new Map(index.packs.map((pack) => [pack.name, pack.frames]));
  return ref.packs.map((part) => ({ part, frames: frames.get(part.name) ?? [] }));
}

async function createFile(dir: string, path: string): Promise<void> {
  if (path === "" || path.startsWith("/") || path.split("/").includes("..")) throw new HoldfastError("FORMAT_INVALID", `The index names the file ${JSON.stringify(path)}, which leads out of the backup.`);
  await mkdir(dirname(join(dir, path)), { recursive: true, mode: 0o700 });
  await (await open(join(dir, path), "wx", 0o600)).close();
}

/** Extents follow one another in the stream and never share a byte; a plain piece may hold several, or part of one. */
async function writePieces(plain: AsyncIterable<PlainPiece>, pieces: readonly Piece[], dir: string): Promise<void> {
  let number = 0;
  let seenCrc32 = 0;
  for await (const { streamOffset, bytes } of plain) {
    for (let at = 0; at < bytes.byteLength; ) {
      const piece = pieces[number];
      if (piece === undefined) throw new HoldfastError("INTERNAL", "More bytes were read than the files of a backup need.");
      const { extent, path } = piece;
      const inExtent = streamOffset + at - extent.streamOffset;
      const data = bytes.subarray(at, Math.min(bytes.byteLength, at + extent.lengthBytes - inExtent));
      seenCrc32 = crc32(data, seenCrc32);
      await writeAt(join(dir, path), data, extent.fileOffset + inExtent);
      at += data.byteLength;
      if (inExtent + data.byteLength < extent.lengthBytes) continue;
      if (seenCrc32 !== extent.crc32) throw new HoldfastError("STREAM_DAMAGED", `${String(extent.lengthBytes)} bytes of ${path} do not match the checksum in the backup's index.`);
      number += 1;
      seenCrc32 = 0;
    }
  }
}

async function writeAt(path: string, data: Uint8Array, offset: number): Promise<void> {
  const handle = await open(path, "r+");
  try {
    for (let at = 0; at < data.byteLength; ) at += (await handle.write(data, at, data.byteLength - at, offset + at)).bytesWritten;
  } finally {
    await handle.close();
  }
}
