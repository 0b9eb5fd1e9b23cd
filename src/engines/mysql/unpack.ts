import { chmod, mkdir, readdir } from "node:fs/promises";
import type { Readable } from "node:stream";
import { asHoldfastError, HoldfastError } from "../../lib/errors.ts";
import type { EngineContext } from "../engine.ts";
import { requireReachable } from "./ownership.ts";
import { streamDamaged } from "./unpack-errors.ts";
import { Unpacker } from "./unpacker.ts";

/**
 * Extracts one backup's plain stream into an empty directory, as `mbstream -x` does, and gives the files to the account of
 * the sandboxes. Writing the files ourselves, on a thread, spares two copies and a process; every checksum of the stream is
 * checked, and a stream that ends between two files is refused too. Throws TARGET_NOT_EMPTY, the stream's own error when it
 * has one, STREAM_DAMAGED when it breaks off without one or is not whole, STORAGE_FULL or STORAGE_FAILED when the directory
 * cannot take it, or the signal's reason.
 */
export async function unpack(context: EngineContext, stream: Readable, dir: string, signal: AbortSignal): Promise<void> {
  // A stream that fails while the directory is made ready must not end the process; the loop below meets it.
  stream.on("error", () => undefined);
  signal.throwIfAborted();
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if ((await readdir(dir)).length > 0) throw new HoldfastError("TARGET_NOT_EMPTY", `The directory ${dir} is not empty.`);
  await requireReachable(dir, context.sandboxUser);
  await chmod(dir, 0o700);
  const unpacker = new Unpacker({ dir, owner: context.sandboxUser });
  const onAbort = (): void => {
    stream.destroy(signal.reason as Error);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    for await (const bytes of stream as AsyncIterable<Uint8Array>) await unpacker.write(bytes);
    await unpacker.finish();
    signal.throwIfAborted();
  } catch (error) {
    stream.destroy();
    signal.throwIfAborted();
    throw stream.errored === error ? asStreamError(error) : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
    await unpacker.stop();
  }
}

/** What fetched and opened the stream knows best what went wrong: a machine out of file handles says nothing about the backup. */
function asStreamError(error: unknown): HoldfastError {
  const known = asHoldfastError(error);
  return known.code === "INTERNAL" && known !== error ? streamDamaged(error) : known;
}
