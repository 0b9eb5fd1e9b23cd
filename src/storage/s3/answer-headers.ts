/** The metadata that carries the SHA-256 to stores that keep no checksums of their own. */
export const SHA256_METADATA = "holdfast-sha256";

/** SHA-256 (hex) that the store keeps: computed by itself (base64), or signed for by the writer; null when there is none. */
export function keptSha256(checksumSha256: string | undefined, metadata: string | undefined): string | null {
  return checksumSha256 === undefined ? (metadata ?? null) : Buffer.from(checksumSha256, "base64").toString("hex");
}

export interface ContentRange {
  readonly start: number;
  readonly end: number;
  /** Of the whole object. */
  readonly totalBytes: number;
}

/** What `content-range: bytes 0-9/100` says; null for anything else. */
export function contentRangeFrom(header: string | undefined): ContentRange | null {
  const given = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header ?? "");
  if (given === null) return null;
  const [start, last, totalBytes] = given.slice(1).map(Number) as [number, number, number];
  return { start, end: last + 1, totalBytes };
}

/** The value of a `range` header for the bytes [start, end). */
export function rangeHeader({ start, end }: { start: number; end: number }): string {
  return `bytes=${String(start)}-${String(end - 1)}`;
}
