import { HoldfastError } from "../lib/errors.ts";

/** As much as every kind of repository takes: S3's limit for keys, Linux' limit for names. */
const KEY_LIMIT_BYTES = 1024;
const PART_LIMIT_BYTES = 255;
/** Where the local driver keeps unfinished writes; no driver has objects there. */
export const UNFINISHED_FOLDER = ".tmp";

/** Throws INPUT_INVALID unless `key` is one that every driver can store and that cannot lead out of the repository. */
export function checkKey(key: string): void {
  const fault = keyFault(key);
  if (fault !== null) {
    throw new HoldfastError("INPUT_INVALID", `${JSON.stringify(key.slice(0, 200))} cannot be the key of an object: ${fault}.`, {
      hint: "A key is made of parts joined by '/', for example instance/backups/id/000000.zst.age.",
    });
  }
}

function keyFault(key: string): string | null {
  if (!key.isWellFormed()) return "it is not proper Unicode";
  if (Buffer.byteLength(key) > KEY_LIMIT_BYTES) return `it is longer than ${KEY_LIMIT_BYTES} bytes`;
  if (key.includes("\0")) return "it holds a NUL character";
  const parts = key.split("/");
  if (parts.includes("")) return "it begins or ends with '/', or has an empty part";
  if (parts.includes(".") || parts.includes("..")) return "it has a part that is '.' or '..'";
  if (parts.some((part) => Buffer.byteLength(part) > PART_LIMIT_BYTES)) return `it has a part longer than ${PART_LIMIT_BYTES} bytes`;
  return parts[0] === UNFINISHED_FOLDER ? `${UNFINISHED_FOLDER} is where unfinished writes lie` : null;
}

/** Key order of every driver: by UTF-8 bytes, as object stores list. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** True when [start, end) can be asked of a store: whole numbers, and at least one byte. */
export function holdsBytes({ start, end }: { start: number; end: number }): boolean {
  return Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start < end;
}

/** Throws INPUT_INVALID unless [start, end) lies inside the object: a short answer could be taken for the whole. */
export function checkRange(key: string, range: { start: number; end: number }, sizeBytes: number): void {
  const isInside = Number.isSafeInteger(range.start) && Number.isSafeInteger(range.end) && range.start >= 0 && range.start <= range.end && range.end <= sizeBytes;
  if (!isInside) throw new HoldfastError("INPUT_INVALID", `The range [${range.start}, ${range.end}) does not lie inside ${key}, which has ${sizeBytes} bytes.`);
}
