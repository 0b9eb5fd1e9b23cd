import { chmod, mkdir, readdir } from "node:fs/promises";
import type { Readable } from "node:stream";
import { HoldfastError } from "../../lib/errors.ts";
import type { EngineContext } from "../engine.ts";
import { requireReachable } from "./ownership.ts";
import { inspectStream } from "./xbstream.ts";
import { StreamFiles } from "./xbstream-files.ts";

const MIB = 1024 * 1024;
/** Bytes and steps (opens, writes, closes) that may be under way while more of the stream is read. */
const UNDER_WAY = { bytes: 16 * MIB, steps: 256 };

/**
 * Extracts one backup's plain stream into an empty directory, as `mbstream -x` does, and gives the files to the account of
 * the sandboxes. Writing the files ourselves spares two copies and a process; every checksum of the stream is checked, and
 * a stream that ends between two files is refused too. Throws TARGET_NOT_EMPTY, STREAM_DAMAGED when the stream fails or is
 * not whole, STORAGE_FULL or STORAGE_FAILED when the directory cannot take it, or the signal's reason.
 */
export async function unpack(context: EngineContext, stream: Readable, dir: string, signal: AbortSignal): Promise<void> {
  // A stream that fails while the directory is made ready must not end the process; the loop below meets it.
  stream.on("error", () => undefined);
  signal.throwIfAborted();
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if ((await readdir(dir)).length > 0) throw new HoldfastError("TARGET_NOT_EMPTY", `The directory ${dir} is not empty.`);
  await requireReachable(dir, context.sandboxUser);
  await chmod(dir, 0o700);
  const files = new StreamFiles(dir, context.sandboxUser);
  const onAbort = (): void => {
    stream.destroy(signal.reason as Error);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await writeFiles(stream, files);
    signal.throwIfAborted();
  } catch (error) {
    stream.destroy();
    await files.abandon();
    signal.throwIfAborted();
    throw stream.errored === error ? damaged(error) : asUnpackError(error, dir);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function writeFiles(stream: Readable, files: StreamFiles): Promise<void> {
  const inspector = inspectStream(files);
  for await (const bytes of stream as AsyncIterable<Uint8Array>) {
    inspector.write(bytes);
    files.giveBackWhenWritten(bytes);
    await files.settled(UNDER_WAY);
  }
  inspector.end();
  await files.finish();
}

function asUnpackError(error: unknown, dir: string): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new HoldfastError("STORAGE_FULL", `${dir} has no space left for the backup's files.`, { cause: error, hint: "Name a target with more space." });
  }
  // Two paths of the stream that cannot both be files are the stream's fault; what else the file system says is its own.
  const isOfPaths = code === "EEXIST" || code === "ENOTDIR" || code === "EISDIR";
  if (syscall === undefined || isOfPaths) return damaged(error);
  return new HoldfastError("STORAGE_FAILED", `A file of the backup could not be written into ${dir}: ${message}`, { cause: error });
}

function damaged(cause: unknown): HoldfastError {
  return new HoldfastError("STREAM_DAMAGED", `The backup's stream failed while it was extracted: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
    hint: "Run `holdfast repository check`; restore from another chain or copy.",
  });
}
