import type { IndexedFile } from "../../model/backup-index.ts";

type Extent = IndexedFile["extents"][number];

/** One file of a stream while it passes. */
export interface FileWatch {
  /** Looks at data that belongs at `fileOffset`. */
  data(bytes: Uint8Array, fileOffset: number): void;
  extent(extent: Extent): void;
  end(): void;
  ended(): boolean;
  /** Bytes that have come in whole chunks. */
  sizeBytes(): number;
  indexed(): IndexedFile;
}

/** InnoDB's page header: page number at 4, page type at 24, tablespace id at 34, all big endian. */
const PAGE_HEADER_BYTES = 38;
/** FIL_PAGE_TYPE_FSP_HDR: only the first page of a tablespace has it. */
const FIRST_PAGE_TYPE = 8;
/** Marker files hold a name, `.meta` files five short lines. */
const SMALL_BYTES = 4096;

const MARKER = /\.(?:ren|del)$/;
const META = /\.meta$/;
const TABLESPACE = /(?:\.ibd|\.new)$|^[^/]+$/;

export function watchFile(path: string): FileWatch {
  const extents: Extent[] = [];
  const keepBytes = MARKER.test(path) || META.test(path) ? SMALL_BYTES : TABLESPACE.test(path) ? PAGE_HEADER_BYTES : 0;
  const head = Buffer.alloc(keepBytes);
  let headBytes = 0;
  let sizeBytes = 0;
  let ended = false;
  return {
    data: (bytes, fileOffset) => {
      if (fileOffset >= keepBytes) return;
      const part = bytes.subarray(0, keepBytes - fileOffset);
      head.set(part, fileOffset);
      headBytes = Math.max(headBytes, fileOffset + part.length);
    },
    extent: (extent) => {
      sizeBytes += extent.lengthBytes;
      if (extent.lengthBytes > 0) extents.push(extent);
    },
    end: () => {
      ended = true;
    },
    ended: () => ended,
    sizeBytes: () => sizeBytes,
    indexed: () => {
      const seen = head.subarray(0, headBytes);
      return { path, sizeBytes, spaceId: spaceIdOf(path, seen), marker: MARKER.test(path) ? seen.toString("utf8") : null, extents };
    },
  };
}

function spaceIdOf(path: string, head: Buffer): number | null {
  if (MARKER.test(path)) return null;
  if (META.test(path)) {
    const id = /^space_id\s*=\s*(\d+)/m.exec(head.toString("latin1"))?.[1];
    return id === undefined ? null : Number(id);
  }
  const isFirstPage = head.length >= PAGE_HEADER_BYTES && head.readUInt32BE(4) === 0 && head.readUInt16BE(24) === FIRST_PAGE_TYPE;
  if (!isFirstPage) return null;
  const id = head.readUInt32BE(34);
  // The first page of a table made during the backup may not have been written yet: then it tells nothing.
  return id === 0 && path.includes("/") ? null : id;
}
