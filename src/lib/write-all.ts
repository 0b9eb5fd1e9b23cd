import type { FileHandle } from "node:fs/promises";

/** Writes all of `bytes` at the file's place. Node's own `writeFile` cuts it into pieces of 512 KiB, eight calls where one does. */
export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) done += (await file.write(bytes, done)).bytesWritten;
}
