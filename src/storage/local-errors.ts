import { type ErrorCode, HoldfastError } from "../lib/errors.ts";

const FULL = new Set(["ENOSPC", "EDQUOT"]);
const READ_ONLY = new Set(["EROFS", "EACCES", "EPERM"]);

/** The system's code of an error (`ENOENT`), if it has one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** What the file system said, as an error that names the path and a remedy. Other errors stay what they are. */
export function fileSystemError(error: unknown, action: string, path: string): unknown {
  const code = systemCode(error);
  if (error instanceof HoldfastError || code === undefined || !(error instanceof Error) || !("syscall" in error)) return error;
  const [holdfastCode, what, hint] = explain(code, path);
  return new HoldfastError(holdfastCode, `${path} could not be ${action}: ${what} (${code}).`, { cause: error, hint });
}

function explain(code: string, path: string): [ErrorCode, string, string] {
  if (code === "EDQUOT") return ["STORAGE_FULL", "the user's quota is used up", `Raise the quota, or move the repository of ${path} to a larger place.`];
  if (FULL.has(code)) return ["STORAGE_FULL", "the file system is full", `Free space on the file system of ${path}, or add some.`];
  if (code === "EROFS") return ["STORAGE_READ_ONLY", "the file system is mounted read-only", `Find out why (a failing disk does this), then mount it writable: findmnt -T ${path}`];
  if (READ_ONLY.has(code)) return ["STORAGE_READ_ONLY", "permission is denied", `Give the user Holdfast runs as the right to it: namei -l ${path}`];
  return ["STORAGE_FAILED", "the file system reported an error", `Look at the kernel's log, and whether ${path} is mounted and reachable.`];
}
