import { HoldfastError } from "../../lib/errors.ts";

/** What went wrong while the files of a stream were written into `dir`, in words for a person. */
export function asUnpackError(error: unknown, dir: string): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new HoldfastError("STORAGE_FULL", `${dir} has no space left for the backup's files.`, { cause: error, hint: "Name a target with more space." });
  }
  // Two paths of the stream that cannot both be files are the stream's fault; what else the file system says is its own.
  const isOfPaths = code === "EEXIST" || code === "ENOTDIR" || code === "EISDIR";
  if (syscall === undefined || isOfPaths) return streamDamaged(error);
  return new HoldfastError("STORAGE_FAILED", `A file of the backup could not be written into ${dir}: ${message}`, { cause: error });
}

export function streamDamaged(cause: unknown): HoldfastError {
  return new HoldfastError("STREAM_DAMAGED", `The backup's stream failed while it was extracted: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
    hint: "Run `holdfast repository check`; restore from another chain or copy.",
  });
}
