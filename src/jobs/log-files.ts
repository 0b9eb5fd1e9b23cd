import { createHash } from "node:crypto";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../lib/errors.ts";
import type { SegmentRef } from "../model/backup.ts";
import { fetchPart } from "./fetch.ts";
import type { JobPorts } from "./ports.ts";

/**
 * Puts the server's log files together again from their stored pieces, byte for byte, and cuts the last one at the stop
 * place, so that nothing after it can be replayed. Gives their paths in log order. A file that had pieces skipped by a
 * gap keeps its offsets (the hole reads as zeros).
 */
export async function assembleLogFiles(
  ports: JobPorts,
  segments: readonly SegmentRef[],
  stop: { file: string; position: number },
): Promise<string[]> {
  const dir = join(ports.scratchDir, "logs");
  await mkdir(dir, { recursive: true });
  const paths: string[] = [];
  for (const file of new Set(segments.map(({ segment }) => segment.file))) {
    const path = join(dir, file);
    await assembleFile(ports, path, segments.filter(({ segment }) => segment.file === file));
    paths.push(path);
  }
  const last = paths.at(-1);
  if (last?.endsWith(`/${stop.file}`) === true) await cutAt(last, stop);
  return paths;
}

async function assembleFile(ports: JobPorts, path: string, pieces: readonly SegmentRef[]): Promise<void> {
  const handle = await open(path, "wx", 0o600);
  try {
    for (const { prefix, segment } of pieces) {
      const plain = await fetchPart(ports, prefix, segment.object);
      const sha256 = createHash("sha256").update(plain).digest("hex");
      if (sha256 !== segment.plainSha256 || plain.byteLength !== segment.endPosition - segment.startPosition) {
        throw new HoldfastError("OBJECT_DAMAGED", `Log piece ${segment.segmentId} (${segment.file}, bytes ${String(segment.startPosition)} to ${String(segment.endPosition)}) does not hold what its description says.`);
      }
      await handle.write(plain, 0, plain.byteLength, segment.startPosition);
    }
  } finally {
    await handle.close();
  }
}

async function cutAt(path: string, stop: { file: string; position: number }): Promise<void> {
  const handle = await open(path, "r+");
  try {
    const { size } = await handle.stat();
    if (size < stop.position) {
      throw new HoldfastError("GAP", `The stored log ${stop.file} ends at ${String(size)}, before the stop place ${String(stop.position)}.`);
    }
    await handle.truncate(stop.position);
  } finally {
    await handle.close();
  }
}
